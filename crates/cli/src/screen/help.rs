//! The keys.

/// The last line of the list.
pub const KEYS: [(&str, &str); 8] = [
    ("d", "describe"),
    ("l", "logs"),
    ("e", "evidence"),
    ("r", "restart"),
    ("p", "pause"),
    ("/", "filter"),
    ("?", "help"),
    ("q", "quit"),
];

/// The last line of a text.
pub const TEXT_KEYS: [(&str, &str); 4] =
    [("↑ ↓", "scroll"), ("PgUp PgDn", "page"), ("g G", "ends"), ("q", "back")];

pub const TEXT: &str = "\
Choose a container
  ↑ ↓, k j        the one before, the next one
  PgUp PgDn       a page up, a page down
  Home End, g G   the first, the last
  /               only containers whose names or state have a text; an empty text for all
  n               only one namespace; an empty name for `default` and the adopted containers
  A               the containers of all namespaces, and back
  s               sort by name, state, restarts, CPU, memory

Look at it
  Enter, d        describe its pod
  l               follow its log
  e               what it was doing before probes had it killed

Change it: a question comes first
  r               restart the container
  p               pause its probes for ten minutes, or resume them

  ?               this text
  q, Esc, Ctrl-C  quit; q and Esc only leave a text, and Esc first drops a filter

The bars are the latencies of a probe's results, the newest at the right. The highest bar is the highest
latency shown, and × is a failure. They are collected while the screen is shown.

CPU is in thousandths of a core over the last second, MEM is the working set.";
