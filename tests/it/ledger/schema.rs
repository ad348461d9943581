//! Migrations: a ledger that is not exactly what this version knows is refused.

use ebbtide::{LedgerError, connect_ledger};

use super::{Fresh, chain, on_both};

const N_MIGRATIONS: usize = 26;

on_both!(
    migrating_twice_does_nothing,
    a_newer_schema_is_refused,
    an_older_schema_is_refused
);

async fn migrating_twice_does_nothing(fresh: Fresh) {
    fresh.ledger.check_schema().await.unwrap();
    assert_eq!(fresh.ledger.migrate().await.unwrap(), Vec::<String>::new());
    assert_eq!(fresh.revision().await, 0);
    fresh.ledger.check_schema().await.unwrap();
}

async fn a_newer_schema_is_refused(fresh: Fresh) {
    fresh
        .run("INSERT INTO refinery_schema_history VALUES (99, 'from_the_future', 'x', 'y')")
        .await
        .unwrap();
    for error in [
        fresh.ledger.check_schema().await.unwrap_err(),
        fresh.ledger.migrate().await.unwrap_err(),
    ] {
        assert!(matches!(error, LedgerError::TooNew { .. }), "{error}");
        assert!(
            error.to_string().contains("V99__from_the_future"),
            "{error}"
        );
    }
}

async fn an_older_schema_is_refused(fresh: Fresh) {
    fresh
        .run("DELETE FROM refinery_schema_history WHERE version > 18")
        .await
        .unwrap();
    let error = fresh.ledger.check_schema().await.unwrap_err();
    assert!(matches!(error, LedgerError::NotMigrated { .. }), "{error}");
    assert!(error.to_string().contains("V18__request_keys"), "{error}");
}

/// As after a crash between a statement and its entry in the history, which MySQL cannot commit
/// together: the statement is run again.
#[tokio::test]
async fn each_migration_of_mysql_can_be_repeated() {
    let fresh = Fresh::mysql().await;
    for version in (1..=N_MIGRATIONS).rev() {
        let forget = format!("DELETE FROM refinery_schema_history WHERE version >= {version}");
        fresh.run(&forget).await.unwrap();
        let applied = fresh.ledger.migrate().await;
        let applied = applied.unwrap_or_else(|error| panic!("V{version}: {}", chain(error)));
        assert_eq!(applied.len(), N_MIGRATIONS + 1 - version);
        fresh.ledger.check_schema().await.unwrap();
    }
}

async fn check_bare(fresh: &Fresh) {
    let error = fresh.ledger.check_schema().await.unwrap_err();
    assert!(
        matches!(error, LedgerError::NotMigrated { .. }),
        "{}",
        chain(error)
    );
    assert!(error.to_string().contains("ebbtide migrate"), "{error}");
}

#[tokio::test]
async fn a_missing_file_is_not_migrated_and_not_created() {
    let fresh = Fresh::bare_sqlite().await;
    let path = fresh.url.strip_prefix("sqlite://").unwrap();
    check_bare(&fresh).await;
    assert!(matches!(
        fresh.ledger.revision().await,
        Err(LedgerError::NotMigrated { .. })
    ));
    assert!(!std::path::Path::new(path).exists());
    assert_eq!(fresh.ledger.migrate().await.unwrap().len(), N_MIGRATIONS);
    fresh.ledger.check_schema().await.unwrap();
}

#[tokio::test]
async fn an_empty_file_or_database_is_not_migrated() {
    let sqlite = Fresh::bare_sqlite().await;
    std::fs::write(sqlite.url.strip_prefix("sqlite://").unwrap(), "").unwrap();
    check_bare(&sqlite).await;
    check_bare(&Fresh::bare_mysql().await).await;
}

#[tokio::test]
async fn migrations_at_once_do_not_disturb_each_other() {
    for bare in [Fresh::bare_sqlite().await, Fresh::bare_mysql().await] {
        let mut others = Vec::new();
        for _ in 0..4 {
            others.push(connect_ledger(&bare.url, None).await.unwrap());
        }
        let migrations = others.into_iter().map(|ledger| {
            tokio::spawn(async move { ledger.migrate().await.map(|applied| applied.len()) })
        });
        let mut n_applied = 0;
        for migration in migrations.collect::<Vec<_>>() {
            n_applied += migration
                .await
                .unwrap()
                .unwrap_or_else(|error| panic!("{}", chain(error)));
        }
        assert_eq!(n_applied, N_MIGRATIONS, "each by one of them");
        bare.ledger.check_schema().await.unwrap();
    }
}

#[tokio::test]
async fn a_ledger_out_of_reach_says_so() {
    let nobody = "mysql://eva:s3cret@127.0.0.1:1/ebbtide";
    let error = connect_ledger(nobody, None).await.err().unwrap();
    assert!(matches!(error, LedgerError::Unreachable { .. }), "{error}");
    assert!(error.is_retryable());
    let text = chain(error);
    assert!(
        text.contains("mysql://eva@127.0.0.1:1/ebbtide") && !text.contains("s3cret"),
        "{text}"
    );

    let fresh = Fresh::mysql().await;
    let stranger = fresh.url.replace("root@", "eva:s3cret@");
    let error = connect_ledger(&stranger, None).await.err().unwrap();
    assert!(matches!(error, LedgerError::Refused { .. }), "{error}");
    let error = connect_ledger(&format!("{}_gone", fresh.url), None)
        .await
        .err()
        .unwrap();
    assert!(matches!(error, LedgerError::Refused { .. }), "{error}");

    let ledger = connect_ledger("sqlite:///nowhere/at/all/ledger.db", None)
        .await
        .unwrap();
    for error in [
        ledger.check_schema().await.unwrap_err(),
        ledger.migrate().await.unwrap_err(),
    ] {
        assert!(
            matches!(error, LedgerError::Unreachable { .. }),
            "{}",
            chain(error)
        );
    }
}

#[tokio::test]
async fn a_password_beside_the_url_is_used() {
    let fresh = Fresh::mysql().await;
    fresh
        .run("CREATE USER paula IDENTIFIED BY 'p@ss/w:rd'")
        .await
        .unwrap();
    fresh.run("GRANT ALL ON *.* TO paula").await.unwrap();
    let url = fresh.url.replace("root@", "paula:wrong@");
    assert!(connect_ledger(&url, None).await.is_err());
    let ledger = connect_ledger(&url, Some("p@ss/w:rd".into()))
        .await
        .unwrap();
    ledger.check_schema().await.unwrap();
}
