//! The pages of the documentation that are sessions at a terminal: each command in a block `console`
//! is run, page by page, and prints what the page says.

use std::collections::VecDeque;
use std::fs;
use std::os::unix::fs::symlink;

use anyhow::{Context, Result, ensure};
use probelet_integration::{Done, Host, bounded, finish, probelet_bin, root, with_host};

/// A command of a page, with the lines that follow it.
struct Step {
    command: String,
    printed: Vec<String>,
}

/// The commands of a page. A line of `…` stands for any number of lines, and `…` in a line for any
/// text.
fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut is_console = false;
    for line in page.lines() {
        if let Some(kind) = line.strip_prefix("```") {
            is_console = kind == "console";
        } else if is_console {
            match (line.strip_prefix("$ "), steps.last_mut()) {
                (Some(command), _) => {
                    steps.push(Step { command: command.to_owned(), printed: Vec::new() });
                }
                (None, Some(step)) => step.printed.push(line.to_owned()),
                (None, None) => {}
            }
        }
    }
    steps
}

/// Returns whether a line is what the page has. The widths of columns do not count.
fn is_like(line: &str, wanted: &str) -> bool {
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (line, wanted) = (plain(line), plain(wanted));
    let mut parts: VecDeque<&str> = wanted.split('…').map(str::trim).collect();
    let (Some(first), last) = (parts.pop_front(), parts.pop_back()) else { return false };
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let Some(last) = last else { return rest.is_empty() };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

fn are_like(lines: &[&str], wanted: &[String]) -> bool {
    match (lines, wanted) {
        ([], []) => true,
        (_, [any, more @ ..]) if any.trim() == "…" => {
            (0..=lines.len()).any(|from| are_like(lines.get(from..).unwrap_or_default(), more))
        }
        ([line, lines @ ..], [one, wanted @ ..]) => is_like(line, one) && are_like(lines, wanted),
        _ => false,
    }
}

/// Runs the commands of a page from the folder of the repository, as its reader does.
fn run(host: &Host, page: &str) -> Result<()> {
    let folder = host.path("bin");
    fs::create_dir_all(&folder)?;
    let link = folder.join("probelet");
    if !link.exists() {
        symlink(probelet_bin(), link)?;
    }
    let path = format!("{}:{}", folder.display(), std::env::var("PATH")?);
    let text = fs::read_to_string(root().join(page)).with_context(|| page.to_owned())?;
    let steps = steps(&text);
    ensure!(!steps.is_empty(), "{page} has no block of commands");
    for Step { command, printed } in steps {
        // The namespace of a test is its own.
        let typed = command.replace("-n probelet", &format!("-n {}", host.namespace()));
        let mut shell = bounded("bash");
        shell
            .args(["-c", &format!("exec 2>&1; {typed}")])
            .current_dir(root())
            .env("PATH", &path)
            .env("PROBELET_SOCKET", host.socket())
            .env("CONTAINERD_ADDRESS", host.containerd_socket());
        let Done { code, stdout: text, .. } = finish(&mut shell, "")?;
        ensure!(code == Some(0), "{page}: {command}: {code:?}\n{text}");
        let lines: Vec<&str> = text.lines().collect();
        ensure!(
            are_like(&lines, &printed),
            "{page}: {command} printed\n{text}\nand the page has\n{}",
            printed.join("\n")
        );
    }
    Ok(())
}

#[test]
fn the_first_hour_shows_what_the_commands_print() -> Result<()> {
    with_host(|host| {
        run(host, "docs/first-hour.md")?;
        host.expect_nothing_left()
    })
}

#[test]
fn a_line_of_a_page_is_compared() {
    for (line, wanted, is_equal) in [
        ("web   1/1   Running", "web 1/1 Running", true),
        ("web   1/1   Running   3s", "web 1/1 Running", false),
        ("until 10:00 for good", "until … good", true),
        ("until 10:00 for bad", "until … good", false),
        ("a b c d", "a … c …", true),
        ("a b d", "a … c …", false),
    ] {
        assert_eq!(is_like(line, wanted), is_equal, "{line} / {wanted}");
    }
    let wanted = ["a".to_owned(), "…".to_owned(), "z".to_owned()];
    assert!(are_like(&["a", "b", "c", "z"], &wanted) && are_like(&["a", "z"], &wanted));
    assert!(!are_like(&["a", "b"], &wanted) && !are_like(&["a", "z", "b"], &wanted));
}
