//! `ebbtide audit verify`: whether the record is the one that was written.

use clap::Args;
use serde::Serialize;

use super::super::input::MAX_LISTED;
use super::super::output::{counted, grouped};
use super::super::{Context, Exit, Output};
use crate::audit::{Chain, Entry, Flaw, Head};
use crate::ledger::{Ledger, LedgerError, Witness};

/// So often the tables are held against the record while it grows.
const MOST_COMPARISONS: usize = 5;

/// Look for entries that were edited, removed, added or put in another order.
#[derive(Debug, Args)]
pub struct Verify {
    /// A head that an earlier verification printed, and that was kept where nobody who can write to the
    /// ledger can write; may be given several times.
    #[arg(long, value_name = "SEQ:HASH", value_parser = head)]
    pub head: Vec<Head>,
}

fn head(text: &str) -> Result<Head, String> {
    let wrong = || "write it as it was printed: a number, a colon, and 64 hexadecimal digits";
    let (seq, hash) = text.split_once(':').ok_or_else(wrong)?;
    let seq = seq.parse().map_err(|_| wrong())?;
    if hash.len() != 64 || !hash.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(wrong().into());
    }
    Ok(Head {
        seq,
        hash: hash.to_ascii_lowercase(),
    })
}

/// What came of it.
#[derive(Debug, Serialize)]
struct Verification {
    ok: bool,
    n_entries: u64,
    /// The number of the first entry; those before it were removed because they were old.
    first: Option<u64>,
    head: String,
    n_flaws: u64,
    /// The first of them.
    flaws: Vec<FlawView>,
    n_differences: u64,
    /// The first things that history, holds, rules and approvals say otherwise than the record.
    differences: Vec<String>,
    /// Heads that were given and lie before the first entry: nothing can be told of them.
    too_old: Vec<String>,
}

#[derive(Debug, Serialize)]
struct FlawView {
    #[serde(flatten)]
    flaw: Flaw,
    message: String,
}

pub(super) async fn run(
    args: &Verify,
    context: &Context,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    let config = context.config()?;
    let ledger = context.ledger(&config).await?;
    // Read first: what is added meanwhile lies beyond it.
    let kept = ledger.audit_head().await?;
    let mut found = Found::new(args.head.iter().cloned().chain([kept]));
    let mut differences = found.differences(&*ledger).await?;
    let mut verification = found.finish();
    verification.n_differences = u64::try_from(differences.len()).unwrap_or(u64::MAX);
    verification.ok &= differences.is_empty();
    differences.truncate(usize::try_from(MAX_LISTED).unwrap_or(usize::MAX));
    verification.differences = differences;
    output.result(&verification, describe)?;
    Ok(if verification.ok {
        Exit::Done
    } else {
        Exit::Incomplete
    })
}

struct Found {
    witness: Witness,
    chain: Chain,
    first: Option<u64>,
    n_flaws: u64,
    flaws: Vec<FlawView>,
}

impl Found {
    fn new(heads: impl IntoIterator<Item = Head>) -> Self {
        Self {
            witness: Witness::default(),
            chain: Chain::new(heads),
            first: None,
            n_flaws: 0,
            flaws: Vec::new(),
        }
    }

    /// Reads the record, and holds the tables against it. They are read after it: what is recorded
    /// in between looks like a difference, until the rest of the record was read too.
    async fn differences(&mut self, ledger: &dyn Ledger) -> Result<Vec<String>, LedgerError> {
        self.hear(ledger).await?;
        let mut differences = self.witness.clone().compare(ledger).await?;
        for _ in 1..MOST_COMPARISONS {
            if differences.is_empty() || !self.hear(ledger).await? {
                break;
            }
            let again = self.witness.clone().compare(ledger).await?;
            differences.retain(|difference| again.contains(difference));
        }
        Ok(differences)
    }

    /// Reads what was recorded since; whether there was anything.
    async fn hear(&mut self, ledger: &dyn Ledger) -> Result<bool, LedgerError> {
        let next = self.chain.head().seq.saturating_add(1);
        let mut is_more = false;
        let mut visit = |entry: Entry| {
            is_more = true;
            self.push(&entry);
        };
        ledger.each_entry(next, None, &mut visit).await?;
        Ok(is_more)
    }

    fn push(&mut self, entry: &Entry) {
        self.witness.hear(entry);
        self.first.get_or_insert(entry.seq);
        let flaws = self.chain.push(entry);
        self.note(flaws);
    }

    fn note(&mut self, flaws: Vec<Flaw>) {
        for flaw in flaws {
            self.n_flaws += 1;
            if self.n_flaws <= MAX_LISTED {
                let message = flaw.to_string();
                self.flaws.push(FlawView { flaw, message });
            }
        }
    }

    fn finish(mut self) -> Verification {
        let flaws = self.chain.finish();
        self.note(flaws);
        Verification {
            ok: self.n_flaws == 0,
            n_entries: self.chain.n_entries(),
            first: self.first,
            head: shown(&self.chain.head()),
            n_flaws: self.n_flaws,
            flaws: self.flaws,
            n_differences: 0,
            differences: Vec::new(),
            too_old: self.chain.kept_before_start().map(shown).collect(),
        }
    }
}

fn shown(head: &Head) -> String {
    format!("{}:{}", head.seq, head.hash)
}

fn describe(verification: &Verification) -> String {
    let mut lines: Vec<String> = verification
        .flaws
        .iter()
        .map(|flaw| flaw.message.clone())
        .collect();
    if verification.n_flaws > MAX_LISTED {
        lines.push(format!("and {} more", verification.n_flaws - MAX_LISTED));
    }
    lines.extend(verification.differences.iter().cloned());
    if verification.n_differences > MAX_LISTED {
        let n_more = verification.n_differences - MAX_LISTED;
        lines.push(format!("and {n_more} more differences"));
    }
    for head in &verification.too_old {
        lines.push(format!(
            "the head {head} lies before the first entry that is left: nothing can be told of it"
        ));
    }
    let n_entries = match verification.n_entries {
        1 => "1 entry".to_owned(),
        n => format!("{} entries", grouped(n)),
    };
    let pruned = match verification.first {
        Some(first) if first > 1 => {
            format!(
                ", after {first} that were removed because they were old",
                first = grouped(first - 1)
            )
        }
        _ => String::new(),
    };
    if verification.ok {
        lines.push(format!("the record is unbroken: {n_entries}{pruned}"));
        lines.push(format!(
            "head {}\nkeep it where nobody who can write to the ledger can write, and give it to the next \
             verification with --head",
            verification.head
        ));
    } else if verification.n_flaws == 0 {
        lines.push(format!(
            "the record is unbroken, {n_entries}{pruned}, but tables beside it say otherwise: somebody \
             changed them beside ebbtide",
        ));
    } else {
        lines.push(format!(
            "the record is broken: {} in {n_entries}{pruned}; somebody changed it beside ebbtide",
            counted(verification.n_flaws, "flaw")
        ));
    }
    lines.join("\n")
}
