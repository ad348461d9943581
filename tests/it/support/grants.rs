//! The grants on system tables that every user of Ebbtide needs, as its documentation lists them.

const SYSTEM_TABLES: [&str; 9] = [
    "disks",
    "merge_tree_settings",
    "metrics",
    "mutations",
    "parts",
    "processes",
    "projections",
    "replicas",
    "storage_policies",
];

/// Them, and more.
pub fn with_system_grants(more: &[&str]) -> Vec<String> {
    let system = SYSTEM_TABLES.map(|table| format!("GRANT SELECT ON system.{table}"));
    let more = more.iter().map(ToString::to_string);
    system.into_iter().chain(more).collect()
}
