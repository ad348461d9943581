//! Whether a server can do what is needed: version, settings, clock.

use crate::sql::sql;
use jiff::Timestamp;

use super::{Shard, WarehouseError};

/// The oldest version that works: the first long-term one with every setting that statements and
/// probes are sent with (`lightweight_delete_mode` is the youngest).
pub const MINIMUM_VERSION: (u32, u32) = (25, 8);

/// What a server says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerInfo {
    /// Its version, such as `26.7.2.1`.
    pub version: String,
    /// Its clock when it answered.
    pub now: Timestamp,
    /// Its time zone, such as `Etc/UTC`.
    pub timezone: String,
}

#[derive(clickhouse::Row, serde::Deserialize)]
struct VersionRow {
    version: String,
}

#[derive(clickhouse::Row, serde::Deserialize)]
struct FactsRow {
    now_ms: i64,
    timezone: String,
    readonly: u64,
    lightweight_delete: bool,
}

impl Shard {
    /// Checks that the server answers, accepts the password, is new enough, and lets this user
    /// delete and change the settings that probes and statements need.
    ///
    /// # Errors
    /// The first of these that does not hold, with its remedy.
    pub async fn check_server(&self) -> Result<ServerInfo, WarehouseError> {
        let query = self.plain.query_raw(sql!("clickhouse/server_version.sql"));
        let VersionRow { version } = self.fetch_one(query).await?;
        if !supports(&version) {
            let (major, minor) = MINIMUM_VERSION;
            return Err(WarehouseError::TooOld {
                shard: self.asker.shard.clone(),
                version,
                minimum: format!("{major}.{minor}"),
            });
        }
        let facts = sql!("clickhouse/server_facts.sql");
        let (_as_probe, facts) = tokio::try_join!(
            Box::pin(self.fetch_one::<FactsRow>(self.probes.query_raw(facts))),
            Box::pin(self.fetch_one::<FactsRow>(self.prepare_statement(facts))),
        )?;
        let problem = |message: &str| WarehouseError::Setting {
            shard: self.asker.shard.clone(),
            user: self.asker.user.clone(),
            message: message.to_owned(),
        };
        if facts.readonly != 0 {
            return Err(problem(
                "readonly is on, and deletes write; give the user a profile with readonly = 0",
            ));
        }
        if !facts.lightweight_delete {
            return Err(problem(
                "enable_lightweight_delete is off; set it to 1 in the profile of the user",
            ));
        }
        let now =
            Timestamp::from_millisecond(facts.now_ms).map_err(|error| WarehouseError::Answer {
                shard: self.asker.shard.clone(),
                reason: format!("its clock says {} ms: {error}", facts.now_ms),
            })?;
        Ok(ServerInfo {
            version,
            now,
            timezone: facts.timezone,
        })
    }
}

/// Major and minor of a version.
///
/// ```
/// use ebbtide::parse_version;
/// assert_eq!(parse_version("25.8.16.10001.altinitystable"), Some((25, 8)));
/// assert_eq!(parse_version("latest"), None);
/// ```
pub fn parse_version(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.trim().trim_start_matches('v').split('.');
    let major = numbers.next()?.parse().ok()?;
    let minor = numbers.next()?.parse().ok()?;
    Some((major, minor))
}

/// Whether a version is [`MINIMUM_VERSION`] or newer; one that cannot be read is not.
pub fn supports(version: &str) -> bool {
    parse_version(version).is_some_and(|version| version >= MINIMUM_VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        for version in ["25.8.1.1", "v25.10", "26.7.2.1", "26.1"] {
            assert!(supports(version), "{version}");
        }
        for version in ["25.7.9.9", "23.3.1", "9.9", "", "26", "x.y", "25.-8"] {
            assert!(!supports(version), "{version}");
        }
    }
}
