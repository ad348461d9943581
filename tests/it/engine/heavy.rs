//! A server of which the engine's user has so little memory that a large value is more than it can read.

use std::sync::Arc;

use clickhouse::Client;
use ebbtide::{Config, Embedded, EmbeddedUser, Engine, FixedClock, Ledger};
use tempfile::TempDir;

use super::world::{NOW, at, of_project, rule};
use crate::support::{PACE, embedded_options, ledger_of};

pub struct Heavy {
    /// That of a user who has all memory.
    pub client: Client,
    pub ledger: Arc<dyn Ledger>,
    config: Config,
    _folder: TempDir,
    _server: Embedded,
}

impl Heavy {
    /// Without any table yet; `spans` is to be one of `w`, `p` and `at`.
    pub async fn empty() -> Self {
        let mut options = embedded_options();
        let memory = "<max_memory_usage>64000000</max_memory_usage><max_threads>1</max_threads>";
        options.users = [("all", ""), ("small", memory)]
            .map(|(name, profile)| EmbeddedUser {
                name: name.into(),
                password: String::new(),
                grants: vec![],
                profile_xml: profile.into(),
                databases_xml: String::new(),
            })
            .into();
        let server = Embedded::start(options).unwrap();
        let client = Client::default().with_url(server.url()).with_user("all");
        let folder = tempfile::tempdir().unwrap();
        let yaml = format!(
            "version: 1\nclickhouse: {{shards: [{{url: \"{}\"}}], user: small}}\n\
             ledger: {{url: \"sqlite://{}/ledger.db\"}}\n\
             retention: {{approval: none, default: 30d, max_share_of_table: 1.0}}\n{PACE}\
             targets: [{{table: spans, workspace: w, project: p, age: {{time: at}}}}]\n",
            server.url(),
            folder.path().display()
        );
        let config = Config::parse(&yaml).unwrap();
        let ledger = ledger_of(&config).await;
        Self {
            client,
            ledger,
            config,
            _folder: folder,
            _server: server,
        }
    }

    pub fn engine(&self) -> Engine {
        let clock = Arc::new(FixedClock(at(NOW)));
        Engine::new(&self.config, self.ledger.clone(), clock).unwrap()
    }

    pub async fn sql(&self, sql: &str) {
        self.client.query_raw(sql).execute().await.unwrap();
    }

    pub async fn count(&self, table: &str) -> u64 {
        let sql = format!("SELECT count() FROM {table}");
        self.client.query(&sql).fetch_one().await.unwrap()
    }

    pub async fn project_rule(&self, workspace: &str, project: &str, retention: &str) {
        rule(&*self.ledger, of_project(workspace, project), retention).await;
    }
}
