//! Which refusals of the server last.

use super::{STOPPED_WAITING, WarehouseError};

/// Codes that pass by themselves: a part that was merged or is at work, limits of the moment, disks,
/// replicas and their keeper.
const PASSING: [u32; 18] = [
    60,  // UNKNOWN_TABLE
    74,  // CANNOT_READ_FROM_FILE_DESCRIPTOR
    75,  // CANNOT_WRITE_TO_FILE_DESCRIPTOR
    76,  // CANNOT_OPEN_FILE
    201, // QUOTA_EXCEEDED
    202, // TOO_MANY_SIMULTANEOUS_QUERIES
    218, // TABLE_IS_DROPPED
    225, // NO_ZOOKEEPER
    232, // NO_SUCH_DATA_PART
    241, // MEMORY_LIMIT_EXCEEDED
    242, // TABLE_IS_READ_ONLY
    243, // NOT_ENOUGH_SPACE
    384, // PART_IS_TEMPORARILY_LOCKED
    473, // DEADLOCK_AVOIDED
    499, // S3_ERROR
    517, // CANNOT_ASSIGN_ALTER
    745, // SERVER_OVERLOADED
    999, // KEEPER_EXCEPTION
];

impl WarehouseError {
    /// Whether the server refused, and would refuse the same statement again: only a person changes that.
    /// A code that is not known to pass counts as lasting.
    pub(crate) fn lasts(&self) -> bool {
        match self {
            Self::MissingGrant { .. } | Self::Setting { .. } | Self::TooLarge { .. } => true,
            Self::Server { code, .. } => !PASSING.contains(code) && !STOPPED_WAITING.contains(code),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(code: u32) -> WarehouseError {
        WarehouseError::Server {
            shard: "http://a:1".into(),
            code,
            name: String::new(),
            message: String::new(),
        }
    }

    #[test]
    fn what_a_person_must_change_lasts_and_what_passes_does_not() {
        let (shard, user) = ("http://a:1".to_owned(), "u".to_owned());
        assert!(WarehouseError::TooLarge { shard, user }.lasts());
        // Not supported; nobody knows.
        assert!(server(344).lasts() && server(9_999).lasts());
        // Merged meanwhile, out of memory, no answer in time, a keeper that is away.
        let passes = |code: u32| !server(code).lasts();
        assert!([232, 241, 159, 999].into_iter().all(passes));
        let shard = "http://a:1".to_owned();
        let source = "connection reset".into();
        assert!(!WarehouseError::Interrupted { shard, source }.lasts());
    }
}
