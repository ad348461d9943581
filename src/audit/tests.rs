//! Any single edit of a chain is found.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Chain, Entry, Fact, Flaw, Head, NotCanonical, canonical, seal};

fn fact(number: u64) -> Fact {
    Fact {
        at: jiff::Timestamp::from_microsecond(1_700_000_000_000_000).unwrap(),
        actor: "eva".into(),
        kind: "rule_created".into(),
        body: json!({"rule": number, "scope": {"workspace": "w1"}, "replaced": null}),
    }
}

/// A chain that continues `start`.
fn chain_after(start: Head, n_entries: u64) -> Vec<Entry> {
    let mut head = start;
    (0..n_entries)
        .map(|number| {
            let entry = seal(&head, fact(number)).unwrap();
            head = entry.head();
            entry
        })
        .collect()
}

fn flaws(kept: &[Head], entries: &[Entry]) -> Vec<Flaw> {
    let mut chain = Chain::new(kept.to_vec());
    let mut flaws: Vec<_> = entries.iter().flat_map(|entry| chain.push(entry)).collect();
    flaws.extend(chain.finish());
    flaws
}

#[test]
fn a_sound_chain_has_no_flaw_and_a_head() {
    let entries = chain_after(Head::empty(), 5);
    let mut chain = Chain::new(entries.iter().map(Entry::head));
    assert!(entries.iter().all(|entry| chain.push(entry).is_empty()));
    assert_eq!(chain.finish(), []);
    assert_eq!(chain.head(), entries[4].head());
    assert_eq!((chain.head().seq, chain.n_entries()), (5, 5));
    assert_eq!(flaws(&[], &[]), []);
    assert_eq!(flaws(&[Head::empty()], &[]), []);
}

/// Computed by other programs: `printf '1\n0…0\n{"actor":…}' | sha256sum`.
#[test]
fn the_hash_is_that_of_three_lines() {
    let fact = Fact {
        at: "2026-11-21T10:00:00.5Z".parse().unwrap(),
        actor: "eva".into(),
        kind: "paused".into(),
        body: json!({"scope": "everything"}),
    };
    let entry = seal(&Head::empty(), fact).unwrap();
    assert_eq!(
        entry.hash,
        "e0c185d17c834f5cd29c7fab411b934da4629cd0cbd40dd56fd1d98b4f90b03d"
    );
}

#[test]
fn the_canonical_form_is_one() {
    let text = r#" {"b" : [1, -2, true, {"z":0,"a":1}], "a" : "\u00e9\n\"", "" : null} "#;
    let value: Value = serde_json::from_str(text).unwrap();
    let expected = "{\"\":null,\"a\":\"é\\n\\\"\",\"b\":[1,-2,true,{\"a\":1,\"z\":0}]}";
    assert_eq!(canonical(&value).unwrap(), expected);
    for text in ["0.5", "1.0", "1e3", "[[0.1]]", "{\"a\":-0.0}"] {
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(canonical(&value), Err(NotCanonical), "{text}");
    }
    let mut odd = fact(1);
    odd.body = json!({"share": 0.5});
    assert_eq!(seal(&Head::empty(), odd), Err(NotCanonical));
}

#[test]
fn each_kind_of_flaw_has_its_name() {
    let entries = chain_after(Head::empty(), 5);
    let without = |numbers: &[u64]| -> Vec<Entry> {
        let kept = entries.iter().filter(|entry| !numbers.contains(&entry.seq));
        kept.cloned().collect()
    };
    let end = [entries[4].head()];
    assert_eq!(
        flaws(&[], &without(&[3])),
        [Flaw::Missing { from: 3, to: 3 }]
    );
    assert_eq!(
        flaws(&[], &without(&[1, 2])),
        [Flaw::Missing { from: 1, to: 2 }]
    );
    assert_eq!(flaws(&[], &without(&[4, 5])), [], "nobody knows of them");
    assert_eq!(
        flaws(&end, &without(&[4, 5])),
        [Flaw::Missing { from: 4, to: 5 }]
    );
    assert_eq!(flaws(&end, &[]), [Flaw::Missing { from: 1, to: 5 }]);

    let mut swapped = entries.clone();
    swapped.swap(1, 2);
    let expected = [
        Flaw::Missing { from: 2, to: 2 },
        Flaw::Reordered { seq: 2, after: 3 },
        Flaw::Missing { from: 3, to: 3 },
    ];
    assert_eq!(flaws(&end, &swapped), expected);

    // One entry exchanged for another sound one, and all of them.
    let mut exchanged = entries.clone();
    exchanged[2] = seal(&entries[1].head(), fact(99)).unwrap();
    assert_eq!(flaws(&end, &exchanged), [Flaw::Unlinked { seq: 4 }]);
    let mut anew = vec![seal(&Head::empty(), fact(99)).unwrap()];
    anew.extend(chain_after(anew[0].head(), 4));
    assert_eq!(flaws(&[], &anew), []);
    assert_eq!(flaws(&end, &anew), [Flaw::Rewritten { seq: 5 }]);
    for flaw in flaws(&end, &swapped) {
        assert!(!flaw.to_string().is_empty());
    }
}

/// The chain after its first `n_gone` entries were pruned, with the entry that tells of it.
fn pruned(n_gone: usize, up_to: &Head) -> Vec<Entry> {
    let mut entries = chain_after(Head::empty(), 5);
    let mut fact = fact(0);
    fact.kind = "record_pruned".into();
    fact.body = json!({"up_to": up_to.seq, "hash": up_to.hash});
    entries.push(seal(&entries[4].head(), fact).unwrap());
    entries.split_off(n_gone)
}

#[test]
fn what_was_pruned_is_told_from_what_is_missing() {
    let all = chain_after(Head::empty(), 5);
    let third = all[2].head();
    assert_eq!(flaws(&[], &pruned(3, &third)), []);
    assert_eq!(
        flaws(&[], &pruned(4, &third)),
        [Flaw::Missing { from: 1, to: 4 }]
    );
    let other = Head {
        seq: 3,
        hash: all[0].hash.clone(),
    };
    assert_eq!(
        flaws(&[], &pruned(3, &other)),
        [Flaw::Missing { from: 1, to: 3 }]
    );
    // A head kept elsewhere: before the beginning nothing can be told, at it something can.
    let kept = [all[1].head(), third.clone()];
    assert_eq!(flaws(&kept, &pruned(3, &third)), []);
    let mut chain = Chain::new(kept);
    for entry in pruned(3, &third) {
        chain.push(&entry);
    }
    assert_eq!(chain.kept_before_start().count(), 1);
    assert_eq!(
        flaws(&[other], &pruned(3, &third)),
        [Flaw::Rewritten { seq: 3 }]
    );
}

/// Changes one field of an entry to something else.
fn edit(entry: &mut Entry, field: u8, byte: usize, other: char) {
    let change = |text: &mut String| {
        let mut letters: Vec<char> = text.chars().collect();
        let at = byte % (letters.len() + 1);
        match letters.get_mut(at) {
            Some(letter) if *letter != other => *letter = other,
            _ => letters.insert(at, other),
        }
        *text = letters.into_iter().collect();
    };
    match field {
        0 => change(&mut entry.fact.actor),
        1 => change(&mut entry.fact.kind),
        2 => change(&mut entry.previous),
        3 => change(&mut entry.hash),
        4 => entry.seq += 1 + u64::try_from(byte).unwrap(),
        5 => entry.fact.at += std::time::Duration::from_micros(1 + u64::try_from(byte).unwrap()),
        6 => entry.fact.body["rule"] = json!(1_000 + byte),
        7 => entry.fact.body["scope"]["workspace"] = json!(format!("w{other}")),
        8 => entry.fact.body[format!("new{other}")] = Value::Null,
        _ => {
            entry.fact.body.as_object_mut().unwrap().remove("replaced");
        }
    }
}

proptest! {
    #[test]
    fn any_single_edit_is_found(
        n_entries in 1_u64..12,
        place in any::<prop::sample::Index>(),
        other_place in any::<prop::sample::Index>(),
        what in 0_u8..15,
        byte in 0_usize..70,
        other in any::<char>(),
    ) {
        let entries = chain_after(Head::empty(), n_entries);
        let kept = [entries.last().unwrap().head()];
        prop_assert_eq!(flaws(&kept, &entries), []);
        let mut edited = entries.clone();
        let at = place.index(edited.len());
        match what {
            field @ 0..=9 => edit(&mut edited[at], field, byte, other),
            10 => drop(edited.remove(at)),
            11 => edited.insert(at, entries[other_place.index(entries.len())].clone()),
            12 => edited.swap(at, other_place.index(entries.len())),
            13 => edited.truncate(at),
            // An entry that is sound in itself, in the place of the right one.
            _ => {
                let before = at.checked_sub(1).map_or_else(Head::empty, |i| entries[i].head());
                edited[at] = seal(&before, fact(1_000)).unwrap();
            }
        }
        prop_assume!(edited != entries);
        prop_assert!(!flaws(&kept, &edited).is_empty(), "{what} at {at}");
    }
}
