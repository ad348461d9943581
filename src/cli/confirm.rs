//! Asking a person before something that cannot be undone.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use anyhow::bail;

/// Fails where nobody can be asked: the answer must then be on the command line.
pub(super) fn check_somebody_is_there(what: &str) -> anyhow::Result<()> {
    if !std::io::stdin().is_terminal() {
        bail!("nobody can be asked here; say --yes to {what}");
    }
    Ok(())
}

/// Asks; anything but yes is no.
pub(super) fn is_confirmed(question: &str) -> anyhow::Result<bool> {
    let mut stderr = std::io::stderr().lock();
    write!(stderr, "{question} [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}
