//! The configuration: what a person wrote ([`raw`]), and what the program needs ([`Config`]), with
//! one conversion between the two that reports every problem at once.
//!
//! Layers: the file, then the environment as `EBBTIDE_SECTION__KEY`, then flags. This is the one
//! module that reads the environment. Secrets come from `*_file` or `*_env`, never from the file
//! itself, and never pass through the layers, so no error can print them.

mod check;
mod layer;
mod pace;
mod raw;
mod reclaim;
mod serve;
mod sidecar;
mod syntax;

use std::path::{Path, PathBuf};
use std::time::Duration;

use figment::providers::Env;
use secrecy::SecretString;

pub use self::reclaim::ReclaimConfig;
pub use self::serve::{
    ApiConfig, ApprovalMode, LogFormat, Role, ServeConfig, SlotsPerDay, Tenant, TlsFiles, Token,
    TraceExport,
};

use self::check::check;
use self::raw::RawConfig;
use crate::pace::PaceConfig;
use crate::plan::Limits;
use crate::rule::{Periods, Retention};
use crate::target::Target;
use crate::warehouse::ShardOptions;

/// A checked configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// ClickHouse, one entry per shard.
    pub shards: Vec<ShardOptions>,
    /// The ledger.
    pub ledger: DatabaseConfig,
    /// The operator's own directory of workspaces, if it is not the ledger's table.
    pub directory: Option<DirectoryConfig>,
    /// What holds where no rule does.
    pub default_retention: Retention,
    /// Named periods and the floor.
    pub periods: Periods,
    /// Whether the sidecar deletes, or only plans.
    pub enabled: bool,
    /// Whether changes that delete more wait for an approval.
    pub approval: ApprovalMode,
    /// How long a change that deletes more is held back, so that it can be taken back.
    pub armed_for: Duration,
    /// How many slots a day has.
    pub slots_per_day: SlotsPerDay,
    /// How the sidecar behaves.
    pub serve: ServeConfig,
    /// The HTTP API.
    pub api: ApiConfig,
    /// How the sidecar writes its log.
    pub log_format: LogFormat,
    /// Where the sidecar sends its traces.
    pub traces: TraceExport,
    /// The limits of a plan.
    pub limits: Limits,
    /// How fast statements follow each other, and what holds them back.
    pub pace: PaceConfig,
    /// When disk of deleted rows is freed.
    pub reclaim: ReclaimConfig,
    /// The targets, children first.
    pub targets: Vec<Target>,
    /// Tables that hold rows of workspaces and that no rule shall clean: `table` in the database of
    /// the targets, or `database.table`.
    pub unmanaged: Vec<String>,
    /// Settings that are accepted but that nothing observes yet; worth a warning.
    pub without_effect: Vec<&'static str>,
}

/// A database and its password.
#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    /// `sqlite://path` or `mysql://user@host:port/database`.
    pub url: String,
    /// The password, if any.
    pub password: Option<SecretString>,
    /// The file that it was read from.
    pub password_file: Option<PathBuf>,
}

impl DatabaseConfig {
    /// The password as its file has it now, or as it was where there is no file, or none to be read.
    pub fn password_now(&self) -> Option<SecretString> {
        let file = self.password_file.as_deref();
        let now = file.and_then(|file| check::secret_in(file).ok());
        now.or_else(|| self.password.clone())
    }
}

/// A query for the directory of workspaces.
#[derive(Debug, Clone)]
pub struct DirectoryConfig {
    /// Where it is asked.
    pub database: DatabaseConfig,
    /// A query with two text columns: workspace, organization.
    pub query: String,
}

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(
        "cannot read the configuration {path}; name another with -c, or copy the sample config.yml"
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not YAML, or not a configuration: line, column and a caret.
    #[error("{path}: {message}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The place and the reason.
        message: String,
    },
    /// An environment variable `EBBTIDE_…` does not fit.
    #[error("in the environment: {message}")]
    Environment {
        /// The key and the reason.
        message: String,
    },
    /// Values that do not make sense; all of them.
    #[error("{path}{}:\n  {}", and_variables(variables), problems.join("\n  "))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The variables that were laid over it.
        variables: Vec<String>,
        /// Each with its key and remedy.
        problems: Vec<String>,
    },
}

fn and_variables(names: &[String]) -> String {
    if names.is_empty() {
        String::new()
    } else {
        format!(" with {} from the environment", names.join(", "))
    }
}

impl Config {
    /// Reads the file and the environment.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        Self::read(&text, path, &layer::of_the_process())
    }

    /// Reads a configuration from text alone, without the environment (secrets named by `*_env`
    /// and `*_file` excepted).
    ///
    /// ```
    /// let config = ebbtide::Config::parse(
    ///     "version: 1\n\
    ///      retention: {default: base_60d, periods: {base_60d: 60d}}\n\
    ///      targets: [{table: traces, workspace: workspace_id, age: {uuid_v7: id}}]\n",
    /// )?;
    /// assert_eq!(config.default_retention.to_string(), "base_60d");
    /// assert!(ebbtide::Config::parse("version: 1\nretentoin: {}\n").is_err());
    /// # Ok::<(), ebbtide::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        Self::read(text, Path::new("config"), &Env::raw().only(&[]))
    }

    fn read(text: &str, path: &Path, environment: &Env) -> Result<Self, ConfigError> {
        // First by itself: this finds unknown and duplicate keys with their line and column.
        let alone: RawConfig =
            serde_saphyr::from_str(text).map_err(|error| ConfigError::Syntax {
                path: path.to_owned(),
                message: syntax::describe(&error, path),
            })?;
        let raw = if layer::names(environment).is_empty() {
            alone
        } else {
            layer::extract(text, environment)
                .map_err(|message| ConfigError::Environment { message })?
        };
        let mut problems = Vec::new();
        let config = check(raw, &mut problems);
        match config {
            Some(config) if problems.is_empty() => Ok(config),
            _ => Err(ConfigError::Invalid {
                path: path.to_owned(),
                variables: layer::names(environment),
                problems,
            }),
        }
    }
}

/// The name of the user that runs the process, as far as the system says.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the module that may read the environment"
)]
pub(crate) fn user_name() -> String {
    ["USER", "LOGNAME", "USERNAME"]
        .into_iter()
        .filter_map(|variable| std::env::var(variable).ok())
        .find(|name| !name.is_empty())
        .unwrap_or_else(|| "unknown".into())
}
