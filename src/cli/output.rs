//! Results on stdout: text for people, JSON for programs.

use std::io::{self, IsTerminal, Write};

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};
use serde::Serialize;

use super::{Format, progress};

/// Where results go.
pub(super) struct Output {
    format: Format,
    stdout: io::Stdout,
}

impl Output {
    pub(super) fn new(format: Format) -> Self {
        Self {
            format,
            stdout: io::stdout(),
        }
    }

    pub(super) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Prints a value as JSON, or else what `text` makes of it.
    pub(super) fn result<T: Serialize>(
        &mut self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> io::Result<()> {
        match self.format {
            Format::Json => self.line(&serde_json::to_string_pretty(value)?),
            Format::Text => self.line(text(value).trim_end_matches('\n')),
        }
    }

    /// Prints text as it is and a line end.
    pub(super) fn line(&mut self, text: &str) -> io::Result<()> {
        progress::clear();
        let mut stdout = self.stdout.lock();
        stdout.write_all(text.as_bytes())?;
        stdout.write_all(b"\n")?;
        stdout.flush()
    }

    /// stdout, for results that are streamed.
    pub(super) fn sink(&mut self) -> impl Write + Send + '_ {
        &mut self.stdout
    }

    /// Prints text for people; nothing where programs read.
    pub(super) fn say(&mut self, text: &str) -> io::Result<()> {
        if self.is_json() {
            Ok(())
        } else {
            self.line(text)
        }
    }
}

/// A line under the header, and nothing else.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::new('─', '─', '─', '─'));

/// A table with a header; columns named in `right` are numbers.
pub(super) fn table<const N: usize>(
    header: [&str; N],
    right: &[usize],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_style(STYLE);
    table.set_content_arrangement(if io::stdout().is_terminal() {
        ContentArrangement::Dynamic
    } else {
        ContentArrangement::Disabled
    });
    table.set_header(header);
    table.add_rows(rows);
    for index in right {
        if let Some(column) = table.column_mut(*index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
        .to_string()
        .lines()
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join("\n")
}

/// A number with thin groups: `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 row`, `2 rows`.
pub(super) fn counted(number: u64, noun: &str) -> String {
    format!(
        "{} {noun}{}",
        grouped(number),
        if number == 1 { "" } else { "s" }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let all = [0, 7, 999, 1_000, 12_345, 1_234_567].map(grouped);
        assert_eq!(all, ["0", "7", "999", "1,000", "12,345", "1,234,567"]);
        assert_eq!(counted(1, "row"), "1 row");
    }
}
