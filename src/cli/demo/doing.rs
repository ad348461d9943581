//! What is being done: a bar on a terminal, a line each elsewhere, nothing for programs.

use std::io::IsTerminal as _;

use indicatif::ProgressBar;

use crate::cli::{Format, progress};

/// Ends its bar when it is dropped.
pub(super) struct Doing {
    bar: ProgressBar,
    in_lines: bool,
}

impl Doing {
    pub(super) fn new(format: Format, n_steps: usize) -> Self {
        let bar = match format {
            Format::Json => ProgressBar::hidden(),
            Format::Text => progress::bar(
                "{spinner} {pos}/{len} {wide_msg} {elapsed}",
                Some(u64::try_from(n_steps).unwrap_or(u64::MAX)),
            ),
        };
        let in_lines = format == Format::Text && !std::io::stderr().is_terminal();
        Self { bar, in_lines }
    }

    pub(super) fn now(&self, what: &str) {
        self.bar.set_message(what.to_owned());
        self.bar.inc(1);
        if self.in_lines {
            progress::say(what);
        }
    }
}

impl Drop for Doing {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
