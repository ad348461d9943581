//! The files that configure one server.

use std::path::Path;

use super::{EmbeddedError, EmbeddedOptions};

/// A user of an embedded server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedUser {
    /// Letters, digits and `_`.
    pub name: String,
    /// The password; empty for none.
    pub password: String,
    /// What the user may do, as `GRANT SELECT ON db.*`; everything if empty.
    pub grants: Vec<String>,
    /// Elements of the user's profile, such as `<readonly>1</readonly>`; usually none.
    pub profile_xml: String,
    /// Row policies of the user as elements of `databases`, such as
    /// `<default><spans><filter>w != 'x'</filter></spans></default>`; usually none.
    pub databases_xml: String,
}

/// The user by whom the launcher recognises its own server: nobody else knows the password.
pub(super) const LAUNCHER: &str = "launcher";

/// Writes `config.xml` and `users.xml` into `directory`.
pub(super) fn write(
    directory: &Path,
    options: &EmbeddedOptions,
    (http_port, tcp_port): (u16, u16),
    launcher_password: &str,
) -> Result<(), EmbeddedError> {
    let users = users_xml(&options.users, launcher_password)?;
    let config = config_xml(directory, options, http_port, tcp_port);
    for (name, text) in [("config.xml", config), ("users.xml", users)] {
        let path = directory.join(name);
        std::fs::write(&path, text).map_err(|source| EmbeddedError::directory(&path, source))?;
    }
    Ok(())
}

fn config_xml(
    directory: &Path,
    options: &EmbeddedOptions,
    http_port: u16,
    tcp_port: u16,
) -> String {
    let log = escape(&directory.join("clickhouse.log").to_string_lossy());
    let users = escape(&directory.join("users.xml").to_string_lossy());
    let logs: String = ["query_log", "part_log"]
        .map(|table| {
            format!(
                "<{table}><database>system</database><table>{table}</table>\
                 <flush_interval_milliseconds>200</flush_interval_milliseconds></{table}>\n"
            )
        })
        .concat();
    format!(
        "<clickhouse>\n\
         <logger><log>{log}</log><size>10M</size><count>1</count></logger>\n\
         <listen_host>127.0.0.1</listen_host>\n\
         <http_port>{http_port}</http_port>\n\
         <tcp_port>{tcp_port}</tcp_port>\n\
         <background_pool_size>{}</background_pool_size>\n\
         <users_config>{users}</users_config>\n\
         <keep_alive_timeout>600</keep_alive_timeout>\n\
         {logs}{}\n</clickhouse>\n",
        options.background_pool_size, options.config_xml,
    )
}

fn users_xml(users: &[EmbeddedUser], launcher_password: &str) -> Result<String, EmbeddedError> {
    // The server's own session is that of `default` without a password, so it must stay as it is.
    let default = EmbeddedUser {
        name: "default".into(),
        password: String::new(),
        grants: vec![],
        profile_xml: String::new(),
        databases_xml: String::new(),
    };
    let launcher = EmbeddedUser {
        name: LAUNCHER.into(),
        password: launcher_password.into(),
        grants: vec!["GRANT SELECT ON system.*".into()],
        profile_xml: String::new(),
        databases_xml: String::new(),
    };
    let mut elements = user_xml(&default) + &user_xml(&launcher);
    let mut profiles = String::new();
    for user in [&default, &launcher].into_iter().chain(users) {
        profiles += &format!("<{0}>{1}</{0}>", user.name, user.profile_xml);
    }
    for user in users {
        let word = user
            .name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_');
        let starts = user
            .name
            .starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !word || !starts || [default.name.as_str(), LAUNCHER].contains(&user.name.as_str()) {
            return Err(EmbeddedError::UserName {
                name: user.name.clone(),
            });
        }
        elements += &user_xml(user);
    }
    Ok(format!(
        "<clickhouse>\n<profiles>{profiles}</profiles>\n<quotas><default/></quotas>\n\
         <users>\n{elements}</users>\n</clickhouse>\n"
    ))
}

fn user_xml(user: &EmbeddedUser) -> String {
    let name = &user.name;
    let queries = user
        .grants
        .iter()
        .map(|grant| format!("<query>{}</query>", escape(grant)));
    let queries = queries.collect::<Vec<_>>().concat();
    let grants = match queries.as_str() {
        "" => String::new(),
        queries => format!("<grants>{queries}</grants>"),
    };
    format!(
        "<{name}><password>{}</password><networks><ip>::/0</ip></networks>\
         <profile>{name}</profile><quota>default</quota>{grants}\
         <databases>{}</databases></{name}>\n",
        escape(&user.password),
        user.databases_xml,
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_no_xml_elements_and_reserved_ones_are_refused() {
        for name in ["", "a b", "a<b", "1a", "default", "launcher"] {
            let user = EmbeddedUser {
                name: name.into(),
                password: String::new(),
                grants: vec![],
                profile_xml: String::new(),
                databases_xml: String::new(),
            };
            let error = users_xml(&[user], "x").unwrap_err();
            assert!(
                matches!(error, EmbeddedError::UserName { .. }),
                "{name:?}: {error}"
            );
        }
    }

    #[test]
    fn passwords_cannot_leave_their_element() {
        let user = EmbeddedUser {
            name: "u".into(),
            password: "</password>&".into(),
            grants: vec![],
            profile_xml: String::new(),
            databases_xml: String::new(),
        };
        let text = users_xml(&[user], "x").unwrap();
        assert!(
            text.contains("<password>&lt;/password&gt;&amp;</password>"),
            "{text}"
        );
    }
}
