//! One random case: a table, its rows, the rules.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use fastrand::Rng;
use jiff::Timestamp;
use serde_json::json;

use crate::support::TestDatabase;

pub const DAY_NS: i128 = 86_400_000_000_000;
const ORGANIZATIONS: [&str; 3] = ["acme", "", "o'neill"];
const MS_NS: i128 = 1_000_000;

/// Names that have broken other systems.
const NAMES: [&str; 14] = [
    "w1",
    "w10",
    "w",
    "W1",
    "",
    "it's",
    "back\\slash",
    "nul\0nul",
    "🦀 crab",
    "~",
    "a`b\"c",
    "w1 ",
    "{x:String} ? --",
    "'; DROP TABLE t; --",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgeType {
    String,
    Fixed,
    Uuid,
    NullableString,
    LowCardinality,
    NullableUuid,
    Date,
    Date32,
    DateTime,
    DateTimeTokyo,
    DateTime64Ms,
    DateTime64UsNewYork,
    DateTime64Ns,
    NullableDateTime64,
}

pub const AGE_TYPES: [AgeType; 14] = [
    AgeType::String,
    AgeType::Fixed,
    AgeType::Uuid,
    AgeType::NullableString,
    AgeType::LowCardinality,
    AgeType::NullableUuid,
    AgeType::Date,
    AgeType::Date32,
    AgeType::DateTime,
    AgeType::DateTimeTokyo,
    AgeType::DateTime64Ms,
    AgeType::DateTime64UsNewYork,
    AgeType::DateTime64Ns,
    AgeType::NullableDateTime64,
];

impl AgeType {
    pub fn is_id(self) -> bool {
        use AgeType::{Fixed, LowCardinality, NullableString, NullableUuid, String, Uuid};
        matches!(
            self,
            String | Fixed | Uuid | NullableString | LowCardinality | NullableUuid
        )
    }

    fn is_nullable(self) -> bool {
        matches!(
            self,
            Self::NullableString | Self::NullableUuid | Self::NullableDateTime64
        )
    }

    fn is_uuid_type(self) -> bool {
        matches!(self, Self::Uuid | Self::NullableUuid)
    }

    fn sql(self) -> &'static str {
        match self {
            Self::String => "String",
            Self::Fixed => "FixedString(36)",
            Self::Uuid => "UUID",
            Self::NullableString => "Nullable(String)",
            Self::LowCardinality => "LowCardinality(String)",
            Self::NullableUuid => "Nullable(UUID)",
            Self::Date => "Date",
            Self::Date32 => "Date32",
            Self::DateTime => "DateTime",
            Self::DateTimeTokyo => "DateTime('Asia/Tokyo')",
            Self::DateTime64Ms => "DateTime64(3)",
            Self::DateTime64UsNewYork => "DateTime64(6, 'America/New_York')",
            Self::DateTime64Ns => "DateTime64(9, 'UTC')",
            Self::NullableDateTime64 => "Nullable(DateTime64(3, 'UTC'))",
        }
    }

    /// The unit that the type cuts times to, in nanoseconds.
    pub fn unit_ns(self) -> i128 {
        match self {
            Self::Date | Self::Date32 => DAY_NS,
            Self::DateTime | Self::DateTimeTokyo => 1_000_000_000,
            Self::DateTime64UsNewYork => 1_000,
            Self::DateTime64Ns => 1,
            _ => MS_NS,
        }
    }
}

/// Where the age of a row comes from, in the words of the test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowAge {
    /// An id or time of this instant, in nanoseconds since 1970.
    At {
        ns: i128,
        upper_case: bool,
    },
    /// Text that is no UUIDv7.
    Undatable(String),
    Null,
}

#[derive(Debug, Clone)]
pub struct Row {
    pub rid: u64,
    pub version: u64,
    pub workspace: String,
    pub project: Option<String>,
    pub age: RowAge,
    pub age_text: String,
    pub key: String,
}

#[derive(Debug, Clone)]
pub struct CaseRule {
    pub organization: Option<String>,
    pub workspace: Option<String>,
    pub project: Option<String>,
    /// Nothing for `unlimited`.
    pub days: Option<u32>,
    pub apply_to_past: bool,
    pub created_at: Timestamp,
}

/// Everything, one workspace or one project of an organization or workspace.
#[derive(Debug, Clone)]
pub struct CaseHold {
    pub organization: Option<String>,
    pub workspace: Option<String>,
    pub project: Option<String>,
    /// In nanoseconds since 1970; open where nothing.
    pub from: Option<i128>,
    pub until: Option<i128>,
}

/// What was approved before the rules of the case came.
#[derive(Debug, Clone)]
pub enum CaseBase {
    /// No approval is needed.
    NotNeeded,
    /// One is needed, and nobody gave one.
    Missing,
    /// These rules and this default.
    Approved(Vec<CaseRule>, Option<u32>),
}

#[expect(clippy::struct_excessive_bools, reason = "each is drawn by itself")]
#[derive(Debug, Clone)]
pub struct Case {
    pub seed: u64,
    pub now: Timestamp,
    pub age_type: AgeType,
    pub workspace_type: &'static str,
    pub project_type: Option<&'static str>,
    pub replacing: bool,
    pub partitioned: bool,
    /// Whether everybody has a finite policy and nothing protects rows: partitions may go whole.
    pub finite: bool,
    /// Whether the table keeps block numbers, so that patches can be written.
    pub patches: bool,
    /// How the config wants rows deleted.
    pub method: &'static str,
    /// The referring table's key type, if rows are kept.
    pub keep_type: Option<&'static str>,
    pub rows: Vec<Row>,
    pub references: Vec<(String, String)>,
    pub rules: Vec<CaseRule>,
    pub base: CaseBase,
    pub holds: Vec<CaseHold>,
    pub paused: Vec<String>,
    /// Whether the day is cut into so many slots.
    pub slots: Option<u32>,
    pub directory: Vec<(String, String)>,
    /// Nothing for `unlimited`.
    pub default_days: Option<u32>,
    /// Small, sometimes, so that the policies of a workspace come apart.
    pub per_statement: u64,
}

/// Names that a column of this type can hold.
fn workspace_names(rng: &mut Rng, type_name: &str) -> Vec<String> {
    // Enough workspaces, sometimes, for the lookup shape.
    let many = 0..rng.usize(0..40);
    match type_name {
        "UInt16" => (0..16)
            .chain(many.map(|number| number + 100))
            .map(|n| n.to_string())
            .collect(),
        "UUID" => (0..16)
            .chain(many.map(|number| number + 100))
            .map(uuid_name)
            .collect(),
        _ => {
            let longest = "x".repeat(if type_name.starts_with("Fixed") {
                24
            } else {
                500
            });
            let many = many.map(|number| format!("many-{number:03}"));
            NAMES
                .map(String::from)
                .into_iter()
                .chain(many)
                .chain([longest])
                .collect()
        }
    }
}

fn uuid_name(number: usize) -> String {
    format!("3c0ffee0-0000-4000-8000-{number:012}")
}

fn pick<'a, T>(rng: &mut Rng, items: &'a [T]) -> &'a T {
    &items[rng.usize(..items.len())]
}

impl Case {
    pub fn random(seed: u64) -> Self {
        let rng = &mut Rng::with_seed(seed);
        let age_type = AGE_TYPES[usize::try_from(seed).unwrap() % AGE_TYPES.len()];
        let day = rng.i64(18_000..21_000);
        let now = Timestamp::from_millisecond(day * 86_400_000 + rng.i64(0..86_400_000)).unwrap();
        let workspace_types = [
            "String",
            "LowCardinality(String)",
            "FixedString(24)",
            "Nullable(String)",
            "UUID",
            "UInt16",
        ];
        let workspace_type = *pick(rng, &workspace_types);
        let projects = [
            "String",
            "FixedString(8)",
            "Nullable(String)",
            "LowCardinality(String)",
        ];
        let project_type = rng.bool().then(|| *pick(rng, &projects));
        let mut case = Self {
            seed,
            now,
            age_type,
            workspace_type,
            project_type,
            replacing: rng.bool(),
            partitioned: rng.bool(),
            finite: rng.u8(..3) == 0,
            patches: rng.bool(),
            method: "auto",
            keep_type: rng
                .bool()
                .then(|| *pick(rng, &["String", "FixedString(6)", "Nullable(String)"])),
            rows: Vec::new(),
            references: Vec::new(),
            rules: Vec::new(),
            base: CaseBase::NotNeeded,
            holds: Vec::new(),
            paused: Vec::new(),
            slots: (rng.u8(..4) == 0).then(|| rng.u32(1..8)),
            directory: Vec::new(),
            default_days: rng.bool().then(|| rng.u32(1..60)),
            per_statement: if rng.u8(..4) == 0 {
                rng.u64(1..6)
            } else {
                1_000
            },
        };
        let names = workspace_names(rng, workspace_type);
        let project_names: Vec<String> = ["p1", "p10", "", "p'", "P1"].map(String::from).into();
        case.random_directory(rng, &names);
        case.rules = case.random_rules(rng, &names, &project_names);
        case.random_base(rng, &names, &project_names);
        case.random_guards(rng, &names, &project_names);
        if case.finite {
            case.make_finite(rng);
        }
        case.random_method(rng);
        case.random_rows(rng, &names, &project_names);
        case
    }

    /// Everything ends for everybody.
    fn make_finite(&mut self, rng: &mut Rng) {
        let finite = |rules: &mut Vec<CaseRule>| {
            for rule in rules {
                rule.days = rule.days.or(Some(45));
                rule.apply_to_past = true;
            }
        };
        finite(&mut self.rules);
        if let CaseBase::Approved(rules, default) = &mut self.base {
            finite(rules);
            *default = default.or(Some(20));
        }
        self.default_days = self.default_days.or(Some(rng.u32(1..60)));
        self.keep_type = None;
        self.holds.clear();
        self.paused.clear();
    }

    fn random_method(&mut self, rng: &mut Rng) {
        let mut methods = vec!["auto", "lightweight"];
        if self.patches {
            methods.push("patch");
        }
        if self
            .partition_key()
            .is_some_and(|(_, is_understood)| is_understood)
        {
            methods.extend(["partition", "auto"]);
        }
        self.method = methods[rng.usize(..methods.len())];
    }

    /// The partition key, and whether it is a stretch of time that the planner understands.
    fn partition_key(&self) -> Option<(&'static str, bool)> {
        if !self.partitioned {
            return None;
        }
        let odd = self.seed % 2 == 1;
        Some(match self.age_type {
            AgeType::Uuid if odd => ("toYYYYMM(UUIDv7ToDateTime(age))", true),
            AgeType::Date if odd => ("toMonday(age)", true),
            AgeType::DateTimeTokyo if odd => ("toStartOfWeek(age, 1)", true),
            // What is 16 bits wide wraps: such a key is not understood.
            AgeType::DateTime64Ms if odd => ("toStartOfMonth(age)", false),
            age if age.is_id() => ("cityHash64(w, key) % 3", false),
            age if age.is_nullable() => ("cityHash64(key) % 3", false),
            _ => ("toYYYYMM(age)", true),
        })
    }

    fn random_directory(&mut self, rng: &mut Rng, names: &[String]) {
        for name in names {
            if rng.u8(..10) < 7 {
                self.directory
                    .push((name.clone(), (*pick(rng, &ORGANIZATIONS)).into()));
            }
        }
    }

    fn random_rules(&self, rng: &mut Rng, names: &[String], projects: &[String]) -> Vec<CaseRule> {
        let mut rules = Vec::new();
        let mut rule = |rng: &mut Rng,
                        organization: Option<&str>,
                        workspace: Option<&str>,
                        project: Option<&str>| {
            let now_ms = self.now.as_millisecond();
            rules.push(CaseRule {
                organization: organization.map(Into::into),
                workspace: workspace.map(Into::into),
                project: project.map(Into::into),
                days: (rng.u8(..5) > 0)
                    .then(|| *pick(rng, &[1, 2, 7, 14, 30, 60, rng.clone().u32(1..90)])),
                apply_to_past: rng.u8(..3) > 0,
                created_at: Timestamp::from_microsecond(
                    (now_ms - rng.i64(-86_400_000..90 * 86_400_000)) * 1_000 + rng.i64(0..1_000),
                )
                .unwrap(),
            });
        };
        for organization in ORGANIZATIONS {
            if rng.bool() {
                rule(rng, Some(organization), None, None);
            }
        }
        for name in names {
            if rng.u8(..10) < 4 {
                rule(rng, None, Some(name), None);
            }
            if self.project_type.is_some() {
                for project in projects {
                    if rng.u8(..10) < 2 {
                        rule(rng, None, Some(name), Some(project));
                    }
                }
            }
        }
        rules
    }

    /// What was approved: some of the rules of now, and others.
    fn random_base(&mut self, rng: &mut Rng, names: &[String], projects: &[String]) {
        self.base = match rng.u8(..20) {
            0 => CaseBase::Missing,
            1..8 => {
                let mut rules: Vec<CaseRule> = self.rules.clone();
                rules.retain(|_| rng.bool());
                // Where both speak of a scope, the first one counts.
                rules.extend(self.random_rules(rng, names, projects));
                CaseBase::Approved(rules, rng.bool().then(|| rng.u32(1..60)))
            }
            _ => CaseBase::NotNeeded,
        };
    }

    fn random_guards(&mut self, rng: &mut Rng, names: &[String], projects: &[String]) {
        let n_holds = if rng.bool() { rng.usize(1..5) } else { 0 };
        for _ in 0..n_holds {
            let now = self.now.as_nanosecond();
            let end = |rng: &mut Rng| {
                let micros = i128::from(rng.u64(..100 * 86_400_000_000));
                let days = i128::from(rng.u64(..100)) * DAY_NS;
                let ago = if rng.bool() { micros * 1_000 } else { days };
                (rng.u8(..4) > 0).then(|| (now - ago).div_euclid(1_000) * 1_000)
            };
            let (one, other) = (end(rng), end(rng));
            let (from, until) = match (one, other) {
                (Some(one), Some(other)) => (Some(one.min(other)), Some(one.max(other) + 1_000)),
                ends => ends,
            };
            let kind = rng.u8(..3);
            self.holds.push(CaseHold {
                organization: (kind == 0).then(|| (*pick(rng, &ORGANIZATIONS)).into()),
                workspace: (kind > 0).then(|| pick(rng, names).clone()),
                project: (kind == 2).then(|| pick(rng, projects).clone()),
                from,
                until,
            });
        }
        if rng.u8(..6) == 0 {
            self.paused.push(pick(rng, names).clone());
        }
    }

    fn random_rows(&mut self, rng: &mut Rng, names: &[String], projects: &[String]) {
        let bounds = self.interesting_instants();
        for rid in 0..rng.u64(20..300) {
            let workspace = pick(rng, names).clone();
            let nullable = self
                .project_type
                .is_some_and(|name| name.starts_with("Nullable"));
            let project = match self.project_type {
                None => None,
                Some(_) if nullable && rng.u8(..5) == 0 => None,
                Some(_) => Some(pick(rng, projects).clone()),
            };
            let (age, age_text) = self.random_age(rng, &bounds);
            let key = format!("k{}", rng.u32(0..40));
            if self.keep_type.is_some() && rng.u8(..4) == 0 {
                // Sometimes of another workspace, which protects nothing here.
                let of = if rng.bool() {
                    workspace.clone()
                } else {
                    pick(rng, names).clone()
                };
                self.references.push((of, key.clone()));
            }
            let n_versions = if self.replacing { rng.u64(1..4) } else { 1 };
            for version in 1..=n_versions {
                self.rows.push(Row {
                    rid,
                    version,
                    workspace: workspace.clone(),
                    project: project.clone(),
                    age: age.clone(),
                    age_text: age_text.clone(),
                    key: key.clone(),
                });
            }
        }
    }

    /// Cutoffs and creations, where off-by-one errors live.
    fn interesting_instants(&self) -> Vec<i128> {
        let midnight = self.now.as_nanosecond().div_euclid(DAY_NS) * DAY_NS;
        let (of_base, default) = match &self.base {
            CaseBase::Approved(rules, default) => (rules.as_slice(), *default),
            CaseBase::NotNeeded | CaseBase::Missing => (&[][..], None),
        };
        let rules = || self.rules.iter().chain(of_base);
        let cutoffs = rules()
            .filter_map(|rule| rule.days)
            .chain(self.default_days)
            .chain(default)
            .map(|days| midnight - i128::from(days) * DAY_NS);
        let ends = self.holds.iter().flat_map(|hold| [hold.from, hold.until]);
        cutoffs
            .chain(rules().map(|rule| rule.created_at.as_nanosecond()))
            .chain(ends.flatten())
            .collect()
    }

    fn random_age(&self, rng: &mut Rng, bounds: &[i128]) -> (RowAge, String) {
        let now = self.now.as_nanosecond();
        let kind = rng.u8(..20);
        if self.age_type.is_nullable() && kind == 0 {
            return (RowAge::Null, String::new());
        }
        if self.age_type.is_id() && kind < 4 {
            let text = self.undatable(rng);
            return (RowAge::Undatable(text.clone()), text);
        }
        let near = [
            -DAY_NS,
            -1_000_000_000,
            -MS_NS,
            -1,
            0,
            1,
            MS_NS,
            1_000_000_000,
            DAY_NS,
        ];
        let ns = match kind {
            4..=9 if !bounds.is_empty() => pick(rng, bounds) + pick(rng, &near),
            11 => 0,
            10 => now + i128::from(rng.u64(..800)) * DAY_NS,
            _ => {
                now - i128::from(rng.u64(..120 * 86_400)) * 1_000_000_000
                    - i128::from(rng.u32(..1_000_000_000))
            }
        };
        let ns = ns.max(0);
        let upper_case = self.age_type.is_id() && !self.age_type.is_uuid_type() && rng.u8(..8) == 0;
        let text = if self.age_type.is_id() {
            let id = uuid_v7(u64::try_from(ns / MS_NS).unwrap(), rng);
            if upper_case { id.to_uppercase() } else { id }
        } else {
            ns.to_string()
        };
        (RowAge::At { ns, upper_case }, text)
    }

    /// An id without an age, as far as the type can hold it.
    fn undatable(&self, rng: &mut Rng) -> String {
        let v7 = uuid_v7(rng.u64(..1_900_000_000_000), rng);
        let version = |digit: &str| format!("{}{digit}{}", &v7[..14], &v7[15..]);
        let variant = |digit: &str| format!("{}{digit}{}", &v7[..19], &v7[20..]);
        let mut texts = vec![
            version("4"),
            version("1"),
            version("0"),
            variant("0"),
            variant("c"),
            "00000000-0000-0000-0000-000000000000".into(),
            "ffffffff-ffff-ffff-ffff-ffffffffffff".into(),
        ];
        if !self.age_type.is_uuid_type() {
            texts.extend([
                String::new(),
                v7[..35].into(),
                v7.replace('-', "_"),
                format!("g{}", &v7[1..]),
            ]);
            texts.push("\0".repeat(3));
            if self.age_type != AgeType::Fixed {
                texts.extend([
                    v7.replace('-', ""),
                    format!("{v7} "),
                    format!("{v7}\n"),
                    format!("{{{v7}}}"),
                ]);
            }
        }
        pick(rng, &texts).clone()
    }

    pub fn table(&self) -> String {
        format!("t_{}", self.seed)
    }

    /// The statements that make the tables and fill them.
    pub fn set_up(&self) -> Vec<String> {
        let table = self.table();
        let project_column = self
            .project_type
            .map_or(String::new(), |name| format!("p {name}, "));
        let project_key = if self.project_type.is_some() {
            "p, "
        } else {
            ""
        };
        let engine = if self.replacing {
            "ReplacingMergeTree(version)"
        } else {
            "MergeTree"
        };
        let key = self.partition_key();
        let partition = key.map_or(String::new(), |(key, _)| format!("PARTITION BY {key}"));
        let patches = if self.patches {
            ", enable_block_number_column = 1, enable_block_offset_column = 1"
        } else {
            ""
        };
        let age = self.age_type;
        let mut statements = vec![
            format!(
                "CREATE TABLE {table} (rid UInt64, version UInt64, w {}, {project_column}age {}, key String) \
                 ENGINE = {engine} {partition} ORDER BY (w, {project_key}age, key, rid) \
                 SETTINGS allow_nullable_key = 1, index_granularity = 16{patches}",
                self.workspace_type,
                age.sql()
            ),
            format!(
                "CREATE TABLE raw_{table} (rid UInt64, version UInt64, w String, p Nullable(String), \
                 age Nullable(String), key String) ENGINE = Memory"
            ),
        ];
        let mut insert = format!("INSERT INTO raw_{table} FORMAT JSONEachRow\n");
        for row in &self.rows {
            let age = (row.age != RowAge::Null).then_some(&row.age_text);
            let json = json!({
                "rid": row.rid, "version": row.version, "w": row.workspace, "p": row.project,
                "age": age, "key": row.key,
            });
            writeln!(insert, "{json}").unwrap();
        }
        statements.push(insert);
        let project = if self.project_type.is_some() {
            "p, "
        } else {
            ""
        };
        let value = if age.is_id() {
            "age".to_owned()
        } else {
            let at = "fromUnixTimestamp64Nano(toInt64(age), 'UTC')";
            match age {
                AgeType::Date => format!("toDate({at})"),
                AgeType::Date32 => format!("toDate32({at})"),
                _ => at.to_owned(),
            }
        };
        // One insert for each version: they must meet in a merge, not in an insert.
        for version in 1..=3 {
            statements.push(format!(
                "INSERT INTO {table} SELECT rid, version, w, {project}{value}, key FROM raw_{table} \
                 WHERE version = {version} SETTINGS optimize_on_insert = 0, max_partitions_per_insert_block = 0"
            ));
        }
        if let Some(key_type) = self.keep_type {
            statements.push(format!(
                "CREATE TABLE refs_{table} (ws {}, ref {key_type}) ENGINE = MergeTree ORDER BY tuple()",
                if self.seed.is_multiple_of(2) { "String" } else { self.workspace_type }
            ));
            let mut insert = format!("INSERT INTO refs_{table} FORMAT JSONEachRow\n");
            for (workspace, key) in &self.references {
                writeln!(insert, "{}", json!({"ws": workspace, "ref": key})).unwrap();
            }
            if !self.references.is_empty() {
                statements.push(insert);
            }
        }
        statements
    }

    pub fn survivors_sql(&self) -> String {
        let last = if self.replacing { "FINAL" } else { "" };
        format!(
            "SELECT rid, version FROM {} {last} ORDER BY rid, version",
            self.table()
        )
    }

    /// The configuration, with the default of now or that of the base.
    pub fn config(
        &self,
        database: &TestDatabase,
        directory: &Path,
        default_days: Option<u32>,
    ) -> String {
        let age = if self.age_type.is_id() {
            "uuid_v7"
        } else {
            "time"
        };
        let table = self.table();
        let mut target = json!({
            "table": table, "workspace": "w", "age": {age: "age"}, "method": self.method,
        });
        if self.project_type.is_some() {
            target["project"] = "p".into();
        }
        if self.keep_type.is_some() {
            target["keep"] = json!([{"column": "key", "in_table": format!("refs_{table}"), "in_column": "ref", "in_workspace": "ws"}]);
        }
        let approval = match self.base {
            CaseBase::NotNeeded => "none",
            CaseBase::Missing | CaseBase::Approved(..) => "required",
        };
        let default = default_days.map_or("unlimited".into(), |days| format!("{days}d"));
        // JSON is YAML.
        json!({
            "version": 1,
            "clickhouse": {"shards": [{"url": database.url()}], "database": database.name(), "user": database.user()},
            "ledger": {"url": format!("sqlite://{}", directory.join("ledger.db").display())},
            "retention": {"approval": approval, "default": default, "max_share_of_table": 1.0},
            "plan": {
                "workspaces_per_statement": self.per_statement,
                "rows_per_step": self.rows_per_step(),
            },
            "pace": {"statements_per_minute": 60_000, "backpressure": {"free_disk_share": 0}},
            "targets": [target],
        })
        .to_string()
    }

    /// So few, sometimes, that the policies of a workspace are split by time.
    fn rows_per_step(&self) -> u64 {
        if self.seed % 8 == 3 {
            5 + self.seed % 20
        } else {
            5_000_000
        }
    }

    /// Rules as a file, the first one of each scope.
    pub fn rules_yaml(rules: &[CaseRule]) -> String {
        let mut yaml = String::new();
        let mut seen = BTreeSet::new();
        for rule in rules {
            if !seen.insert((&rule.organization, &rule.workspace, &rule.project)) {
                continue;
            }
            let mut item = serde_json::Map::new();
            for (key, value) in [
                ("organization", &rule.organization),
                ("workspace", &rule.workspace),
                ("project", &rule.project),
            ] {
                if let Some(value) = value {
                    item.insert(key.into(), value.clone().into());
                }
            }
            let retention = rule
                .days
                .map_or("unlimited".into(), |days| format!("{days}d"));
            item.insert("retention".into(), retention.into());
            item.insert("apply_to_past".into(), rule.apply_to_past.into());
            item.insert("created_at".into(), rule.created_at.to_string().into());
            writeln!(yaml, "- {}", serde_json::Value::Object(item)).unwrap();
        }
        yaml
    }

    pub fn rows_of(&self, ids: &[&(u64, u64)]) -> Vec<&Row> {
        self.rows
            .iter()
            .filter(|row| ids.contains(&&(row.rid, row.version)))
            .take(5)
            .collect()
    }
}

fn uuid_v7(ms: u64, rng: &mut Rng) -> String {
    let random = rng.u128(..) & !((0xf << 76) | (0x3 << 62)) & ((1 << 80) - 1);
    uuid::Uuid::from_u128((u128::from(ms) << 80) | (0x7 << 76) | (0x2 << 62) | random).to_string()
}
