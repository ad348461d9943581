//! A password that is replaced while the ledger is open.

use std::sync::{Arc, Mutex};

use ebbtide::{LedgerError, open_ledger};
use secrecy::SecretString;

use super::{Fresh, run_on_mysql};

#[tokio::test]
async fn a_new_password_is_asked_for_when_the_old_one_is_refused() {
    let fresh = Fresh::mysql().await;
    let database = fresh.database.as_ref().unwrap().name();
    // User names are short.
    let user = format!("eva_{}", &database[database.len() - 20..]);
    let as_root = async |sql: String| run_on_mysql(&fresh.url, &sql).await.unwrap();
    as_root(format!("CREATE USER {user} IDENTIFIED BY 'first'")).await;
    as_root(format!("GRANT ALL ON {database}.* TO {user}")).await;

    let mut url = url::Url::parse(&fresh.url).unwrap();
    url.set_username(&user).unwrap();
    let password = Arc::new(Mutex::new("first"));
    let told = password.clone();
    let tell = Arc::new(move || Some(SecretString::from(*told.lock().unwrap())));
    let ledger = open_ledger(url.as_str(), tell).unwrap();
    ledger.revision().await.unwrap();

    as_root(format!("ALTER USER {user} IDENTIFIED BY 'second'")).await;
    let error = ledger.revision().await.unwrap_err();
    assert!(matches!(error, LedgerError::Refused { .. }), "{error}");
    *password.lock().unwrap() = "second";
    ledger.revision().await.unwrap();
    as_root(format!("DROP USER {user}")).await;
}
