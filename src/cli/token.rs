//! `ebbtide token`: a token for the API, and what the configuration keeps of it.

use clap::{Args, ValueEnum};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Exit, Output};

/// Make a random token for the API. It is shown once; the configuration keeps only its hash.
#[derive(Debug, Args)]
pub struct TokenArgs {
    /// Who uses it; the record keeps this name.
    #[arg(long, value_name = "NAME", default_value = "somebody")]
    pub name: String,
    /// What it may do.
    #[arg(long, value_enum, default_value_t = RoleName::Viewer)]
    pub role: RoleName,
    /// Binds it to an organization and its workspaces.
    #[arg(
        long,
        value_name = "O",
        allow_hyphen_values = true,
        conflicts_with = "workspace"
    )]
    pub organization: Option<String>,
    /// Binds it to a workspace.
    #[arg(long, value_name = "W", allow_hyphen_values = true)]
    pub workspace: Option<String>,
}

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RoleName {
    /// Look.
    Viewer,
    /// Set rules, place holds, pause and resume, make plans.
    Operator,
    /// Release holds and approve plans.
    Admin,
}

/// A token and its hash.
#[derive(Debug, Serialize)]
struct NewToken {
    token: String,
    sha256: String,
    config: String,
}

/// What the configuration keeps.
#[derive(Debug, Serialize)]
struct Kept<'a> {
    name: &'a str,
    role: RoleName,
    sha256: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace: Option<&'a str>,
}

pub(super) fn run(args: &TokenArgs, output: &mut Output) -> anyhow::Result<Exit> {
    // Two random UUIDs hold 244 bits that the operating system made.
    let random = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4()];
    let [first, second] = random.map(|part| part.simple().to_string());
    let token = format!("ebbtide_{first}{second}");
    let sha256 = format!("{:x}", Sha256::digest(token.as_bytes()));
    // JSON is YAML; so any name is quoted right.
    let kept = serde_json::to_string(&Kept {
        name: &args.name,
        role: args.role,
        sha256: &sha256,
        organization: args.organization.as_deref(),
        workspace: args.workspace.as_deref(),
    })?;
    let config = format!("api:\n  tokens:\n    - {kept}");
    let made = NewToken {
        token,
        sha256,
        config,
    };
    output.result(&made, |made| {
        format!(
            "token   {}\nsha256  {}\n\nGive the token to whoever asks, and keep it nowhere else. Add its \
             hash to the configuration:\n\n{}",
            made.token, made.sha256, made.config
        )
    })?;
    Ok(Exit::Done)
}
