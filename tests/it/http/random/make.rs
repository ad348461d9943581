//! Makes requests: mostly sensible, often not.

use fastrand::Rng;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use serde_json::{Value, json};

use super::schema::Schemas;
use crate::http::api::{CALLERS, Reply};

#[derive(Debug)]
pub struct Made {
    pub method: String,
    pub path: String,
    pub uri: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub operation: Value,
}

pub struct Maker<'a> {
    rng: Rng,
    schemas: &'a Schemas,
    operations: Vec<(String, String, Value)>,
    /// Things that were made, by the path of their list.
    made: Vec<String>,
    etags: Vec<String>,
    cursors: Vec<String>,
    /// A plan that was just made; most are stale soon.
    fresh_plan: Option<String>,
}

impl<'a> Maker<'a> {
    pub fn new(seed: u64, schemas: &'a Schemas) -> Self {
        let mut operations = Vec::new();
        for (path, item) in schemas.0["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                operations.push((method.to_uppercase(), path.clone(), operation.clone()));
            }
        }
        Self {
            rng: Rng::with_seed(seed),
            schemas,
            operations,
            made: Vec::new(),
            etags: vec!["*".into()],
            cursors: Vec::new(),
            fresh_plan: None,
        }
    }

    /// Remembers what may be asked about later.
    pub fn learn(&mut self, reply: &Reply) {
        for (name, known) in [("location", &mut self.made), ("etag", &mut self.etags)] {
            if !reply.header(name).is_empty() {
                known.push(reply.header(name).to_owned());
            }
        }
        let location = reply.header("location");
        self.fresh_plan = location
            .starts_with("/v1/plans/")
            .then(|| location.to_owned());
        if let Ok(page) = serde_json::from_str::<Value>(&reply.text) {
            self.cursors
                .extend(page["next_cursor"].as_str().map(str::to_owned));
            // Cycles are made by no request.
            let ids = page["items"].as_array().into_iter().flatten();
            for item in ids.filter(|item| item["rules_digest"].is_string()) {
                self.made
                    .push(format!("/v1/cycles/{}", item["id"].as_str().unwrap()));
            }
        }
    }

    pub fn make(&mut self) -> Made {
        let (method, path, operation) = loop {
            let (method, path, operation) = self.rng.choice(&self.operations).unwrap().clone();
            if self.fresh_plan.is_some() && !path.ends_with("/approve") {
                continue;
            }
            let probes = method == "POST" && (path == "/v1/plans" || path.contains("preview"));
            if !probes || self.rng.u8(..20) == 0 {
                break (method, path, operation);
            }
        };
        let uri = match self.fresh_plan.take() {
            Some(plan) if path.ends_with("/approve") => format!("{plan}/approve"),
            _ => self.uri(&path, &operation),
        };
        let mut headers = self.headers(&operation);
        let body = self.body(&operation, &mut headers);
        Made {
            method,
            path,
            uri,
            headers,
            body,
            operation,
        }
    }

    fn chance(&mut self, percent: u8) -> bool {
        self.rng.u8(..100) < percent
    }

    fn uri(&mut self, path: &str, operation: &Value) -> String {
        let mut uri = String::new();
        let list = path.split("/{").next().unwrap().to_owned() + "/";
        let known: Vec<String> = self
            .made
            .iter()
            .filter_map(|made| made.strip_prefix(&list))
            .map(str::to_owned)
            .collect();
        for segment in path.split('/').skip(1) {
            uri.push('/');
            if !segment.starts_with('{') {
                uri.push_str(segment);
            } else if let Some(known) = self.rng.choice(&known)
                && self.rng.u8(..100) < 70
            {
                uri.push_str(known);
            } else {
                let text = match self.rng.u8(..10) {
                    0 => "%FF%FE".into(),
                    1 => encoded(&self.number()),
                    2 => self.rng.u64(..60).to_string(),
                    _ => encoded(&self.name()),
                };
                uri.push_str(if text.is_empty() { "w1" } else { &text });
            }
        }
        let mut join = '?';
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let is_needed = parameter["required"] == json!(true) && !self.chance(5);
            if parameter["in"] != "query" || !(is_needed || self.chance(25)) {
                continue;
            }
            let name = parameter["name"].as_str().unwrap().to_owned();
            let schema = self.schemas.follow(&parameter["schema"]).clone();
            let value = if self.chance(15) {
                self.text()
            } else if name == "cursor" && self.chance(80) {
                self.rng.choice(&self.cursors).cloned().unwrap_or_default()
            } else if name == "row_time" {
                self.instant()
            } else {
                match &schema["type"] {
                    kind if kind == "integer" => self.number(),
                    kind if kind == "boolean" => self.rng.bool().to_string(),
                    _ => self.name(),
                }
            };
            let value = if self.chance(1) {
                "%80".into()
            } else {
                encoded(&value)
            };
            uri.extend([join.to_string(), name, "=".into(), value]);
            join = '&';
        }
        if self.chance(2) {
            let (name, value) = (encoded(&self.text()), encoded(&self.text()));
            uri.extend([join.to_string(), name, "=".into(), value]);
        }
        uri
    }

    fn headers(&mut self, operation: &Value) -> Vec<(String, String)> {
        let mut headers = Vec::new();
        if !self.chance(2) {
            let token = if self.chance(80) {
                "admin"
            } else {
                self.rng.choice(CALLERS).unwrap().0
            };
            let token = if self.chance(1) { "unknown" } else { token };
            headers.push(("authorization".into(), format!("Bearer {token}")));
        }
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            if parameter["in"] == "header" && self.chance(20) {
                let name = parameter["name"].as_str().unwrap().to_lowercase();
                let value = match self.rng.u8(..6) {
                    0 => self.rng.u8(..20).to_string(),
                    1 => "é".into(),
                    2 => "x".repeat(self.rng.usize(..400)),
                    _ if name == "if-match" => self.rng.choice(&self.etags).unwrap().clone(),
                    _ => self.rng.u32(..).to_string(),
                };
                headers.push((name, value));
            }
        }
        headers
    }

    fn body(&mut self, operation: &Value, headers: &mut Vec<(String, String)>) -> Vec<u8> {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        if schema.is_null() {
            return if self.chance(95) {
                Vec::new()
            } else {
                self.text().into_bytes()
            };
        }
        let kind = if self.chance(97) {
            "application/json"
        } else {
            "text/plain"
        };
        headers.push(("content-type".into(), kind.into()));
        let mut value = self.value(&schema.clone(), "");
        if self.chance(5) {
            value = self.junk(2);
        }
        let mut bytes = value.to_string().into_bytes();
        match self.rng.u8(..60) {
            0 => bytes.truncate(self.rng.usize(..=bytes.len())),
            1 => bytes.push(self.rng.u8(..)),
            2 => {
                let at = self.rng.usize(..=bytes.len().saturating_sub(1));
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = self.rng.u8(..);
                }
            }
            _ => {}
        }
        bytes
    }

    /// A value that fits a schema, more often than not.
    fn value(&mut self, schema: &Value, name: &str) -> Value {
        if self.chance(3) {
            return self.junk(1);
        }
        let schema = self.schemas.follow(schema).clone();
        let kind = match &schema["type"] {
            Value::Array(kinds) => self.rng.choice(kinds.iter()).unwrap().clone(),
            kind => kind.clone(),
        };
        match kind.as_str() {
            Some("object") => {
                let mut fields = serde_json::Map::new();
                let required = schema["required"].as_array().cloned().unwrap_or_default();
                // One scope is sensible, and all of them is not.
                let scope = *self
                    .rng
                    .choice(&[
                        "organization",
                        "workspace",
                        "workspace",
                        "target",
                        "everything",
                    ])
                    .unwrap();
                for (name, of) in schema["properties"]
                    .as_object()
                    .cloned()
                    .unwrap_or_default()
                {
                    let is_required = required.contains(&json!(name));
                    let is_scope =
                        ["organization", "workspace", "target", "everything"].contains(&&*name);
                    let percent = match () {
                        () if is_required => 97,
                        () if is_scope => {
                            if name == scope {
                                95
                            } else {
                                4
                            }
                        }
                        () if name == "project" => {
                            if scope == "workspace" {
                                40
                            } else {
                                4
                            }
                        }
                        () => 30,
                    };
                    if self.chance(percent) {
                        fields.insert(name.clone(), self.value(&of, &name));
                    }
                }
                if self.chance(4) {
                    fields.insert(self.text(), self.junk(1));
                }
                Value::Object(fields)
            }
            Some("boolean") => json!(name == "everything" || self.rng.bool()),
            Some("string") if schema["format"] == "date-time" => json!(self.instant()),
            Some("string") if name == "retention" && self.chance(85) => {
                let known = ["7d", "1d", "36500d", "unlimited", "base_60d", "short_14d"];
                json!(self.rng.choice(known).unwrap())
            }
            Some("string") if name == "target" && self.chance(80) => json!("spans"),
            Some("string") => json!(self.name()),
            _ => Value::Null,
        }
    }

    fn junk(&mut self, depth: u8) -> Value {
        match self.rng.u8(..9) {
            0 => Value::Null,
            1 => json!(self.rng.bool()),
            2 => json!(self.rng.i64(..)),
            3 => json!(self.rng.u64(..)),
            4 => json!(self.rng.f64() * 1e300),
            5 if depth > 0 => json!([self.junk(depth - 1), self.junk(depth - 1)]),
            6 if depth > 0 => json!({self.text(): self.junk(depth - 1)}),
            _ => json!(self.text()),
        }
    }

    fn name(&mut self) -> String {
        match self.rng.u8(..10) {
            0..=5 => (*self
                .rng
                .choice(["w1", "w2", "w9", "acme", "other", "p"])
                .unwrap())
            .into(),
            6 => self.rng.u8(..30).to_string(),
            _ => self.text(),
        }
    }

    fn number(&mut self) -> String {
        match self.rng.u8(..8) {
            0 => self.rng.u64(..).to_string(),
            1 => self.rng.i64(..).to_string(),
            2 => self.rng.u128(..).to_string(),
            3 => format!("{:e}", self.rng.f64()),
            _ => self.rng.u16(..600).to_string(),
        }
    }

    fn instant(&mut self) -> String {
        match self.rng.u8(..6) {
            0 => self.text(),
            1 => uuid::Uuid::from_u128(self.rng.u128(..)).to_string(),
            2 => format!(
                "{:04}-{:02}-{:02}",
                self.rng.u16(..),
                self.rng.u8(..14),
                self.rng.u8(..33)
            ),
            3 => format!("-00{:04}-01-01T00:00:00Z", self.rng.u16(..9999)),
            _ => format!(
                "{:04}-{:02}-11T{:02}:00:00Z",
                self.rng.u16(1..9999),
                self.rng.u8(1..13),
                self.rng.u8(..24)
            ),
        }
    }

    /// Any text: every plane of Unicode, and what breaks programs.
    fn text(&mut self) -> String {
        let nasty = [
            "", ".", "..", "%", "%2e", "\0", "\u{202e}", "\u{feff}", "'; --", "\\", "\"", "null",
            "💥", "\r\n", " ",
        ];
        if self.rng.u8(..3) == 0 {
            return (*self.rng.choice(nasty).unwrap()).into();
        }
        let n_chars = self.rng.usize(..12);
        (0..n_chars).map(|_| self.rng.char(..)).collect()
    }
}

fn encoded(text: &str) -> String {
    percent_encode(text.as_bytes(), NON_ALPHANUMERIC).to_string()
}
