//! From what the driver reports to what it means here. The driver repeats each cause in its own
//! text; here every cause is told once.

use std::time::Duration;

use clickhouse::error::Error;

use super::WarehouseError;
use super::http::is_connect_failure;

/// Who asked, for error messages.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    /// The shard's address without credentials.
    pub(super) shard: String,
    /// The user.
    pub(super) user: String,
    /// The database of the connection.
    pub(super) database: String,
}

/// What was asked, and how long it might take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// `probe` or `statement`.
    pub(super) what: &'static str,
    /// The setting with the limit.
    pub(super) setting: &'static str,
    /// The limit.
    pub(super) limit: Duration,
}

impl Asker {
    /// The error of a request that was given up on.
    pub(super) fn out_of_patience(&self, patience: Patience) -> WarehouseError {
        WarehouseError::Timeout {
            shard: self.shard.clone(),
            what: patience.what,
            setting: patience.setting,
            limit: patience.limit,
        }
    }

    /// The error that the driver reports.
    pub(super) fn translate(&self, error: Error, patience: Patience) -> WarehouseError {
        let shard = self.shard.clone();
        match error {
            Error::BadResponse(text) => match ServerAnswer::parse(&text) {
                Some(answer) => self.of_answer(answer, patience),
                None => WarehouseError::NotClickHouse {
                    shard,
                    text: text.trim().chars().take(200).collect(),
                },
            },
            Error::Network(source) if is_connect_failure(&*source) => {
                WarehouseError::Unreachable { shard, source }
            }
            Error::Network(source) => WarehouseError::Interrupted { shard, source },
            Error::TimedOut => self.out_of_patience(patience),
            Error::InvalidUtf8Encoding(_) => WarehouseError::Answer {
                shard,
                reason: "an id in the table is not UTF-8; only text can be named by a rule".into(),
            },
            other => WarehouseError::Answer {
                shard,
                reason: other.to_string(),
            },
        }
    }

    fn of_answer(&self, answer: ServerAnswer, patience: Patience) -> WarehouseError {
        let (shard, user) = (self.shard.clone(), self.user.clone());
        let ServerAnswer {
            code,
            name,
            message,
        } = answer;
        match code {
            // UNKNOWN_USER, WRONG_PASSWORD, REQUIRED_PASSWORD, AUTHENTICATION_FAILED
            192..=194 | 516 => WarehouseError::Authentication { shard, user },
            81 if message.contains(&self.database) => WarehouseError::NoDatabase {
                shard,
                database: self.database.clone(),
            },
            497 => {
                let grant = missing_grant(&message);
                let remedy = format!("GRANT {grant} TO {user}");
                WarehouseError::MissingGrant {
                    shard,
                    user,
                    grants: grant,
                    remedy,
                }
            }
            // READONLY, SETTING_CONSTRAINT_VIOLATION
            164 | 452 => WarehouseError::Setting {
                shard,
                user,
                message: format!(
                    "{message}; give the user a profile without readonly and without constraints"
                ),
            },
            // TOO_MANY_ROWS
            158 if patience.what == "probe" => WarehouseError::TooManyRows { shard },
            // TABLE_SIZE_EXCEEDS_MAX_DROP_SIZE_LIMIT
            359 => WarehouseError::TooLarge { shard, user },
            // TIMEOUT_EXCEEDED: the limit that was sent along, or a shorter one of the profile.
            159 if patience.what == "probe" => self.out_of_patience(patience),
            _ => WarehouseError::Server {
                shard,
                code,
                name,
                message,
            },
        }
    }
}

/// `Code: 60. DB::Exception: Table a.b does not exist. (UNKNOWN_TABLE) (version 26.7.2.1)`
#[derive(Debug, PartialEq, Eq)]
struct ServerAnswer {
    code: u32,
    name: String,
    message: String,
}

impl ServerAnswer {
    fn parse(text: &str) -> Option<Self> {
        let rest = text.trim().strip_prefix("Code: ")?;
        let digits = rest.find(|letter: char| !letter.is_ascii_digit());
        let (code, rest) = rest.split_at(digits.unwrap_or(rest.len()));
        let code = code.parse().ok()?;
        let message = rest
            .split_once("Exception: ")
            .map_or(rest, |(_, message)| message);
        let message = first_line(message);
        // The name is the last bracket in capitals; with a stack trace it stands after the trace.
        let name = text
            .rsplit('(')
            .filter_map(|piece| piece.split_once(')'))
            .map(|(word, _)| word)
            .find(|word| {
                !word.is_empty()
                    && word
                        .chars()
                        .all(|c| c.is_ascii_uppercase() || c == '_' || c.is_ascii_digit())
            })
            .unwrap_or("UNKNOWN")
            .to_owned();
        let message = message
            .split(&format!(" ({name})"))
            .next()
            .unwrap_or_default();
        Some(Self {
            code,
            message: message.trim().trim_end_matches('.').to_owned(),
            name,
        })
    }
}

/// A server text without stack trace and version.
pub(super) fn first_line(text: &str) -> &str {
    let line = text.lines().next().unwrap_or_default();
    line.split(" (version ").next().unwrap_or_default().trim()
}

/// `… it's necessary to have the grant SELECT for at least one column on a.b` → `SELECT ON a.b`.
fn missing_grant(message: &str) -> String {
    let grant = message
        .split_once("have the grant ")
        .map_or(message, |(_, grant)| grant);
    let grant = grant.split(". ").next().unwrap_or_default();
    grant
        .replace(" for at least one column on ", " ON ")
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, code: u32, name: &str, message: &str) {
        let expected = ServerAnswer {
            code,
            name: name.to_owned(),
            message: message.to_owned(),
        };
        assert_eq!(ServerAnswer::parse(text), Some(expected), "{text}");
    }

    #[test]
    fn answers_are_taken_apart() {
        check(
            "Code: 60. DB::Exception: Table cw.nix does not exist. (UNKNOWN_TABLE) (version 26.7.2.1)\n",
            60,
            "UNKNOWN_TABLE",
            "Table cw.nix does not exist",
        );
        check(
            "Code: 341. DB::Exception: Mutation m.txt fails: 'Code: 395. DB::Exception: x \
             (FUNCTION_THROW_IF_VALUE_IS_NON_ZERO) (version 26.7.2.1)'. It can be killed \n\n0. ? @ \
             0x0f\n1. start_thread @ 0x1\n\n. (UNFINISHED) (version 26.7.2.1)",
            341,
            "UNFINISHED",
            "Mutation m.txt fails: 'Code: 395. DB::Exception: x (FUNCTION_THROW_IF_VALUE_IS_NON_ZERO)",
        );
        check("Code: 516", 516, "UNKNOWN", "");
        for text in ["", "502 Bad Gateway", "Code: ", "<html>Code: 1"] {
            assert_eq!(ServerAnswer::parse(text), None, "{text}");
        }
    }

    fn asker() -> Asker {
        Asker {
            shard: "http://a:1".into(),
            user: "u".into(),
            database: "d".into(),
        }
    }

    const PROBE: Patience = Patience {
        what: "probe",
        setting: "probe_timeout",
        limit: Duration::from_millis(1500),
    };

    #[test]
    fn a_missing_grant_names_its_remedy() {
        let text = "Code: 497. DB::Exception: u: Not enough privileges. To execute this query, it's \
                    necessary to have the grant SELECT for at least one column on system.parts. \
                    (ACCESS_DENIED) (version 26.7.2.1)";
        let error = asker().translate(Error::BadResponse(text.into()), PROBE);
        assert_eq!(
            error.to_string(),
            "the user u lacks grants on ClickHouse at http://a:1: SELECT ON system.parts; run: \
             GRANT SELECT ON system.parts TO u"
        );
        assert!(!error.outcome_is_unknown());
    }

    #[test]
    fn a_probe_out_of_time_is_unknown_and_a_proxy_page_too() {
        let text = "Code: 159. DB::Exception: Timeout exceeded: elapsed 1011.410 ms, maximum: 1000 \
                    ms. (TIMEOUT_EXCEEDED) (version 26.7.2.1)";
        let error = asker().translate(Error::BadResponse(text.into()), PROBE);
        assert_eq!(
            error.to_string(),
            "the probe on ClickHouse at http://a:1 took longer than 1500 ms: its outcome is \
             unknown; raise clickhouse.probe_timeout or narrow the targets"
        );
        assert!(error.outcome_is_unknown());
        let error = asker().translate(Error::BadResponse("504 Gateway Timeout".into()), PROBE);
        assert!(error.outcome_is_unknown(), "{error}");
    }

    #[test]
    fn every_cause_is_told_once() {
        let source: Box<dyn std::error::Error + Send + Sync> = "connection reset".into();
        let error = asker().translate(Error::Network(source), PROBE);
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(cause, "connection reset");
        assert!(!error.to_string().contains(&cause));
    }
}
