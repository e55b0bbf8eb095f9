//! Colours, or none if `NO_COLOR` is set.

use ratatui::style::{Color, Modifier, Style};

use super::row::Tone;

#[derive(Debug, Clone, Copy)]
pub struct Theme {
    pub has_colours: bool,
}

impl Theme {
    pub fn tone(self, tone: Tone) -> Style {
        match tone {
            Tone::Bad => self.colour(Color::Red).add_modifier(Modifier::BOLD),
            Tone::Doubtful => self.colour(Color::Yellow),
            Tone::Good => self.colour(Color::Green),
            Tone::Idle => Style::new().add_modifier(Modifier::DIM),
        }
    }

    pub fn title(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub fn faint(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    pub fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// A question or a prompt.
    pub fn asking(self) -> Style {
        self.colour(Color::Yellow).add_modifier(Modifier::BOLD)
    }

    fn colour(self, colour: Color) -> Style {
        if self.has_colours { Style::new().fg(colour) } else { Style::new() }
    }
}
