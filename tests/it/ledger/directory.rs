//! The directory out of the operator's own MySQL.

use ebbtide::{DirectoryError, LedgerError, read_directory};

use super::{Fresh, chain};

async fn read(fresh: &Fresh, query: &str) -> Result<Vec<(String, String)>, DirectoryError> {
    let mut pairs = Vec::new();
    let mut visit = |workspace, organization| pairs.push((workspace, organization));
    let n_rows = read_directory(&fresh.url, None, query, &mut visit).await?;
    assert_eq!(usize::try_from(n_rows), Ok(pairs.len()));
    Ok(pairs)
}

#[tokio::test]
async fn the_operators_query_is_the_directory() {
    let fresh = Fresh::bare_mysql().await;
    fresh
        .run("CREATE TABLE tenants (id INT, org VARCHAR(20)) CHARSET utf8mb4")
        .await
        .unwrap();
    fresh
        .run("INSERT INTO tenants VALUES (1, 'acme'), (2, 'bétà 💧'), (3, NULL)")
        .await
        .unwrap();
    let pairs = read(
        &fresh,
        "SELECT id, org FROM tenants WHERE org IS NOT NULL ORDER BY id",
    )
    .await;
    let expected = [("1".into(), "acme".into()), ("2".into(), "bétà 💧".into())];
    assert_eq!(pairs.unwrap(), expected);
    assert_eq!(
        read(&fresh, "SELECT id, org FROM tenants WHERE 1 = 0")
            .await
            .unwrap(),
        []
    );
    let many = "SELECT seq, seq % 7 FROM seq_1_to_50000";
    assert_eq!(read(&fresh, many).await.unwrap().len(), 50_000);
}

#[tokio::test]
async fn a_query_that_is_no_directory_is_refused() {
    let fresh = Fresh::bare_mysql().await;
    fresh.run("CREATE TABLE tenants (id INT)").await.unwrap();
    for (query, part) in [
        ("SELECT 1", "returns 1 columns (1); it must return two"),
        (
            "SELECT 1 AS a, 2 AS b, 3 AS c",
            "returns 3 columns (a, b, c)",
        ),
        (
            "SELECT 'w', NULL",
            "row 1 of the directory query has NULL in column 2",
        ),
        (
            "SELECT 'w', 'o' UNION ALL SELECT NULL, 'o'",
            "row 2 of the directory query has NULL in column 1",
        ),
        ("SELECT UNHEX('ff'), 'o'", "no UTF-8 text in column 1"),
        ("SELECT 1.5, NOW()", "no UTF-8 text in column 2"),
        ("SELECT w, o FROM missing", "missing' doesn't exist"),
        ("INSERT INTO tenants VALUES (1)", "READ ONLY"),
        (
            "SELECT 1, 2; DROP TABLE tenants",
            "error in your SQL syntax",
        ),
    ] {
        let error = read(&fresh, query).await.unwrap_err();
        let text = chain(error);
        assert!(text.contains(part), "{query}: {text}");
    }
    fresh.run("DROP TABLE tenants").await.unwrap();
}

#[tokio::test]
async fn a_directory_server_out_of_reach_says_so() {
    let url = "mysql://eva:s3cret@127.0.0.1:1/crm";
    let error = read_directory(url, None, "SELECT 1, 2", &mut |_, _| {})
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            DirectoryError::Server(LedgerError::Unreachable { .. })
        ),
        "{error}"
    );
    assert!(!chain(error).contains("s3cret"));
}
