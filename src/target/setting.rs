//! What a table is set to: by itself, or else by the server.

use super::ddl::{Token, tokens};
use super::{ProjectionMode, TableSchema};

/// The settings of tables that matter here; what the server says of them is read with each schema.
pub(crate) const TABLE_SETTINGS: [&str; 6] = [
    BLOCK_NUMBERS,
    BLOCK_OFFSETS,
    PROJECTION_MODE,
    "mutation_workload",
    "number_of_mutations_to_delay",
    "number_of_mutations_to_throw",
];
const BLOCK_NUMBERS: &str = "enable_block_number_column";
const BLOCK_OFFSETS: &str = "enable_block_offset_column";
/// What a delete does with projections.
pub(super) const PROJECTION_MODE: &str = "lightweight_mutation_projection_mode";
/// Without these a table takes no patch parts.
pub(super) const FOR_PATCHES: [&str; 2] = [BLOCK_NUMBERS, BLOCK_OFFSETS];

impl TableSchema {
    /// What holds for the table of one of the settings above; nothing where nobody says.
    pub(crate) fn setting(&self, name: &str) -> Option<String> {
        let of_server = || {
            let found = self.defaults.iter().find(|(found, _)| found == name);
            found.map(|(_, value)| value.clone())
        };
        of_table(&self.engine_full, name).or_else(of_server)
    }

    /// Whether the table takes deletes as patch parts.
    pub(crate) fn takes_patches(&self) -> bool {
        let is_on = |name| matches!(self.setting(name).as_deref(), Some("1" | "true"));
        FOR_PATCHES.into_iter().all(is_on)
    }

    /// Whether a delete does this with the projections of the table.
    pub(super) fn does_with_projections(&self, mode: ProjectionMode) -> bool {
        self.setting(PROJECTION_MODE) == Some(mode.to_string())
    }
}

/// The value of a setting that a table has of its own.
fn of_table(engine_full: &str, name: &str) -> Option<String> {
    let tokens = tokens(engine_full);
    let found = tokens.windows(3).find_map(|three| match three {
        [key, Token::Symbol('='), value] if key.is_word(name) => Some(value.clone()),
        _ => None,
    });
    match found? {
        Token::Word(value) | Token::Name(value) | Token::Text(value) => Some(value),
        Token::Symbol(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_read_and_no_string_or_name_is_taken_for_one() {
        let full = "Distributed('two', 'my db', 'a = 7', rand()) ORDER BY `a` = 9 SETTINGS a = 5, b = 'x', c = true";
        for (name, value) in [("a", "5"), ("b", "x"), ("c", "true")] {
            assert_eq!(of_table(full, name).as_deref(), Some(value), "{name}");
        }
        assert_eq!(of_table(full, "d"), None);
    }

    #[test]
    fn a_table_takes_patches_by_its_own_settings_or_by_those_of_the_server() {
        let both = |value: &str| {
            FOR_PATCHES
                .map(|name| format!("{name} = {value}"))
                .join(", ")
        };
        let one = format!("{BLOCK_NUMBERS} = 1");
        for (settings, of_server, takes) in [
            (both("1"), "0", true),
            (both("true"), "0", true),
            (one.clone(), "0", false),
            (one, "1", true),
            (both("0"), "1", false),
            (String::new(), "1", true),
            (String::new(), "true", true),
            (String::new(), "0", false),
        ] {
            let schema = TableSchema {
                engine_full: format!("MergeTree ORDER BY id SETTINGS a = 1, {settings}"),
                defaults: FOR_PATCHES
                    .map(|name| (name.into(), of_server.into()))
                    .into(),
                ..TableSchema::default()
            };
            assert_eq!(schema.takes_patches(), takes, "{settings}; {of_server}");
        }
        assert!(!TableSchema::default().takes_patches(), "nobody says");
    }
}
