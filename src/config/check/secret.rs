//! Secrets: out of the environment or out of files, and never in the configuration.

use std::path::Path;

use secrecy::SecretString;

/// Reads a secret where the configuration says it is. A variable that is not set means none.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the module that may read the environment"
)]
pub(super) fn secret(
    section: &str,
    variable: Option<&str>,
    file: Option<&Path>,
    problems: &mut Vec<String>,
) -> Option<SecretString> {
    match (variable, file) {
        (Some(_), Some(_)) => {
            problems.push(format!(
                "{section}: password_env and password_file exclude each other"
            ));
            None
        }
        (Some(variable), None) => std::env::var(variable).ok().map(SecretString::from),
        (None, Some(file)) => match secret_in(file) {
            Ok(secret) => Some(secret),
            Err(error) => {
                problems.push(format!(
                    "{section}.password_file: cannot read {}: {error}",
                    file.display()
                ));
                None
            }
        },
        (None, None) => None,
    }
}

/// The secret in a file; the end of its line is none of it.
pub(in crate::config) fn secret_in(file: &Path) -> std::io::Result<SecretString> {
    let text = std::fs::read_to_string(file)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned().into())
}
