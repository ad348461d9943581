//! Statements cut to what a person can read: short lists, and lines that fit a terminal.

/// So many names of a list in a statement are shown.
const MAX_LISTED: usize = 2;
/// Lines of a statement are broken where they are longer.
const MAX_LINE: usize = 100;
/// What the rest of a broken line begins with.
const CONTINUED: &str = "        ";

/// A statement with its long lists of names cut short.
pub(super) fn shortened(sql: &str) -> String {
    let mut text = String::new();
    let mut rest = sql;
    while let Some(at) = rest.find('\'') {
        let (before, literals) = rest.split_at(at);
        text.push_str(before);
        let (run, after) = run_of_literals(literals);
        if run.len() <= MAX_LISTED + 1 {
            text.push_str(&run.join(", "));
        } else {
            let n_more = run.len() - MAX_LISTED;
            let listed: Vec<_> = run.into_iter().take(MAX_LISTED).collect();
            text.push_str(&format!("{}, … {n_more} more", listed.join(", ")));
        }
        rest = after;
    }
    text.push_str(rest);
    text.lines().flat_map(broken).collect::<Vec<_>>().join("\n")
}

/// A line, broken before its conditions where it is too long: at the last that fits, or else at the
/// first there is.
fn broken(line: &str) -> Vec<String> {
    let mut lines = vec![format!("  {line}")];
    while let Some(last) = lines.last_mut()
        && let Some((limit, _)) = last.char_indices().nth(MAX_LINE)
    {
        let mut breaks: Vec<usize> = [" AND ", " WHERE "]
            .into_iter()
            .flat_map(|word| last.match_indices(word).map(|(at, _)| at))
            // What a continued line begins with is no place to break it again.
            .filter(|at| *at > CONTINUED.len())
            .collect();
        breaks.sort_unstable();
        let fitting = breaks.iter().rfind(|at| **at <= limit);
        let Some(at) = fitting.or(breaks.first()) else {
            break;
        };
        let rest = last.split_off(*at);
        lines.push(format!("{CONTINUED}{}", rest.trim_start()));
    }
    lines
}

/// The literals at the beginning of a text, `'a', 'b'`, and what follows them.
fn run_of_literals(text: &str) -> (Vec<&str>, &str) {
    let mut run = Vec::new();
    let mut rest = text;
    loop {
        let (literal, after) = rest.split_at(literal_len(rest));
        run.push(literal);
        match after.strip_prefix(", ") {
            Some(next) if next.starts_with('\'') => rest = next,
            _ => return (run, after),
        }
    }
}

/// Bytes of the literal that a text begins with, its quotes included.
fn literal_len(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '\'' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_cut_and_nothing_else_is_touched() {
        let sql = "w IN ('a', 'b\\'', 'c', 'd\\\\', 'e') AND id < 'x'\nAND p IN ('1', '2', '3')";
        assert_eq!(
            shortened(sql),
            "  w IN ('a', 'b\\'', … 3 more) AND id < 'x'\n  AND p IN ('1', '2', '3')"
        );
    }

    #[test]
    fn a_long_line_is_broken_before_a_condition() {
        let condition = format!("id < '{}'", "x".repeat(50));
        let lines = broken(&format!("WHERE {condition} AND {condition} AND a"));
        assert_eq!(
            lines,
            [
                format!("  WHERE {condition}"),
                format!("        AND {condition} AND a")
            ]
        );
        let unbreakable = "x".repeat(300);
        assert_eq!(broken(&unbreakable), [format!("  {unbreakable}")]);
    }
}
