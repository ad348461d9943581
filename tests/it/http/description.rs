//! The description of the API.

use super::api::Api;

#[test]
fn the_committed_description_is_that_of_the_code() {
    let committed = std::fs::read_to_string("docs/openapi.json").unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_ebbtide"))
        .arg("openapi")
        .output()
        .unwrap();
    assert!(output.status.success());
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        committed == printed,
        "docs/openapi.json is not what `ebbtide openapi` prints; print it again"
    );
}

#[tokio::test]
async fn the_description_and_its_page_are_served_without_a_token() {
    let api = Api::start().await;
    let served = api.ask("GET", "/openapi.json").send().await.has(200).json();
    let committed = std::fs::read_to_string("docs/openapi.json").unwrap();
    let committed: serde_json::Value = serde_json::from_str(&committed).unwrap();
    assert!(
        served == committed,
        "what is served is not docs/openapi.json"
    );
    let page = api.ask("GET", "/docs/").send().await.has(200);
    assert!(page.text.contains("swagger-ui"), "{}", page.text);
    assert!(
        page.header("content-security-policy")
            .contains("script-src")
            || page
                .header("content-security-policy")
                .contains("default-src 'self'")
    );
    for file in [
        "swagger-initializer.js",
        "swagger-ui.css",
        "swagger-ui-bundle.js",
    ] {
        let path = format!("/docs/{file}");
        assert!(
            !api.ask("GET", &path).send().await.has(200).text.is_empty(),
            "{file}"
        );
    }
    let script = api.ask("GET", "/docs/swagger-initializer.js").send().await;
    assert!(script.text.contains("/openapi.json"), "{}", script.text);
    api.ask("GET", "/docs/nothing")
        .send()
        .await
        .problem(404, "not-found");
}

#[tokio::test]
async fn every_problem_type_is_documented() {
    let page = std::fs::read_to_string("docs/api.md").unwrap();
    let code = std::fs::read_to_string("src/http/problem/kind.rs").unwrap();
    let kinds: Vec<&str> = code
        .split("StatusCode::")
        .skip(1)
        .filter_map(|rest| {
            let kind = rest.split('"').nth(1)?;
            let is_kind =
                !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
            is_kind.then_some(kind)
        })
        .collect();
    assert!(kinds.len() > 10, "{kinds:?}");
    for kind in kinds {
        assert!(
            page.contains(&format!("`{kind}`")),
            "docs/api.md does not name {kind}"
        );
    }
}

#[test]
fn a_token_that_was_made_fits_into_the_configuration() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_ebbtide"))
        .args([
            "--format",
            "json",
            "token",
            "--name",
            "it's \"me\"",
            "--role",
            "operator",
        ])
        .args(["--workspace", "a: b # c"])
        .output()
        .unwrap();
    assert!(output.status.success());
    let made: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let yaml = format!(
        "version: 1\n{}\ntargets: [{{table: t, workspace: w, age: {{time: at}}}}]\n",
        made["config"].as_str().unwrap()
    );
    let config = ebbtide::Config::parse(&yaml).unwrap();
    let token = &config.api.tokens[0];
    assert_eq!(&*token.name, "it's \"me\"");
    assert_eq!(token.role, ebbtide::Role::Operator);
    assert_eq!(token.tenant, ebbtide::Tenant::Workspace("a: b # c".into()));
    let hash: [u8; 32] =
        <sha2::Sha256 as sha2::Digest>::digest(made["token"].as_str().unwrap()).into();
    assert_eq!(token.sha256, hash);
}
