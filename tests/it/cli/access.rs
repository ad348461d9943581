//! Passwords and grants, on a server with users of its own.

use ebbtide::{Embedded, EmbeddedUser};

use super::{Scene, matches_snapshot};
use crate::support::{embedded_options, with_system_grants};

/// Hard to mistake in an output, and a trial for every layer that it passes through.
const PASSWORD: &str = "h:Unter2'\"\\&<12345>%41 #x";
const VARIABLE: &str = "CLICKHOUSE_PASSWORD_FOR_TESTS";

struct Server {
    scene: Scene,
    embedded: Embedded,
}

impl Server {
    async fn start() -> Self {
        let user = |name: &str, grants: &[&str]| EmbeddedUser {
            name: name.into(),
            password: PASSWORD.into(),
            grants: grants.iter().map(ToString::to_string).collect(),
            profile_xml: String::new(),
            databases_xml: String::new(),
        };
        let mut options = embedded_options();
        options.users = vec![
            user("everything", &[]),
            user("nothing", &["GRANT SELECT ON system.one"]),
            EmbeddedUser {
                grants: with_system_grants(&["GRANT SELECT ON *.*"]),
                ..user("reader", &[])
            },
            EmbeddedUser {
                grants: with_system_grants(&["GRANT SELECT, ALTER DELETE ON *.*"]),
                ..user("just_enough", &[])
            },
        ];
        let embedded = Embedded::start(options).unwrap();
        Self {
            scene: Scene::new_at(&embedded).await,
            embedded,
        }
    }

    /// Writes the configuration for a user whose password comes from there.
    fn log_in(&self, user: &str, password: &str) {
        let head = self.scene.head();
        let head = head
            .replace("user: default", &format!("user: {user}"))
            .replace("password_env: EBBTIDE_TEST_PASSWORD", password);
        let text = format!(
            "{head}retention: {{approval: none, default: 60d}}\ntargets: [{{table: traces, workspace: \
             workspace_id, project: project_id, age: {{uuid_v7: id}}}}]\n"
        );
        self.scene.write("config.yml", &text);
    }
}

const FROM_ENV: &str = "password_env: CLICKHOUSE_PASSWORD_FOR_TESTS";

#[tokio::test]
async fn passwords_and_grants() {
    let server = Server::start().await;
    let scene = &server.scene;
    let before = scene.count_rows().await;
    let mut transcript = String::new();
    let mut said = String::new();
    let mut refuse = |name: &str, arguments: &[&str], variables: &[(&str, &str)]| {
        let outcome = scene.run_with(arguments, variables, "");
        assert_eq!(outcome.code, 2, "{name}: {}", outcome.transcript);
        said += &outcome.transcript;
        transcript += &format!("# {name}\n{}\n", outcome.transcript);
    };
    let right = [(VARIABLE, PASSWORD)];

    server.log_in("everything", FROM_ENV);
    refuse("a wrong password", &["run"], &[(VARIABLE, "hunter3-wrong")]);
    refuse("no password", &["run"], &[]);
    server.log_in("nobody", FROM_ENV);
    refuse("an unknown user", &["run"], &right);
    server.log_in("nothing", FROM_ENV);
    refuse("no grant at all", &["run"], &right);
    server.log_in("reader", FROM_ENV);
    refuse("no grant to delete", &["run"], &right);
    refuse("no grant to delete, to doctor", &["doctor"], &right);
    scene.untouched(before).await;

    // What the messages ask for is enough; each way to a password works, and none is ever said.
    server.log_in("just_enough", FROM_ENV);
    let verbs: [&[&str]; 5] = [
        &["-vv", "validate"],
        &["-vv", "doctor"],
        &["-vv", "plan", "--sql"],
        &["--format=json", "-vv", "plan"],
        &["-vv", "explain", "--workspace=w1"],
    ];
    for arguments in verbs {
        let outcome = scene.run_with(arguments, &right, "");
        assert_eq!(outcome.code, 0, "{}", outcome.transcript);
        said += &outcome.transcript;
    }
    scene.write("secret", &format!("{PASSWORD}\n"));
    server.log_in("just_enough", "password_file: secret");
    let outcome = scene.run(&["-vv", "run"]);
    assert_eq!(outcome.code, 0, "{}", outcome.transcript);
    said += &outcome.transcript;
    assert_eq!(scene.count_rows().await, super::scene::N_YOUNG);
    let ledger = std::fs::read(scene.path().join("ebbtide.db")).unwrap();
    said += &String::from_utf8_lossy(&ledger);
    for secret in [PASSWORD, "Unter2", "hunter3", "12345", "aDpVbnRlc"] {
        assert!(!said.contains(secret), "{secret:?} was said:\n{said}");
    }
    matches_snapshot!("access", super::doctor::without_sizes(&transcript));
    drop(server.scene);
    drop(server.embedded);
}

/// A password in the address itself would be printed with the address.
#[tokio::test]
async fn a_password_in_an_address_is_refused_without_printing_it() {
    let scene = Scene::new().await;
    let config = std::fs::read_to_string(scene.path().join("config.yml")).unwrap();
    let mut transcript = String::new();
    for (name, config) in [
        (
            "clickhouse",
            config.replace("http://", "http://nobody:hunter2@"),
        ),
        (
            "another scheme",
            config.replace("http://", "tcp://default:hunter2@"),
        ),
        (
            "twice",
            config.replacen(
                "shards: [",
                "shards: [{url: \"http://a:hunter2@b\"}, {url: \"http://a:hunter2@b\"}, ",
                1,
            ),
        ),
        (
            "a query",
            config.replacen("\"}]", "/?password=hunter2\"}]", 1),
        ),
        (
            "ledger",
            format!("{config}ledger: {{url: \"mysql://root:hunter2@127.0.0.1:1/x\"}}\n"),
        ),
    ] {
        scene.write("config.yml", &config);
        let before = scene.count_rows().await;
        let outcome = scene.run(&["run"]);
        assert!(
            !outcome.transcript.contains("hunter2"),
            "{}",
            outcome.transcript
        );
        scene.untouched(before).await;
        transcript += &format!("# {name}\n{}\n", outcome.transcript);
    }
    matches_snapshot!("access_password_in_address", transcript);
}
