//! What holds for one workspace or project, and why.

use jiff::Timestamp;

use crate::cutoff::{Bounds, expires_at};
use crate::rule::{Retention, Rule};

/// What holds for one workspace or project, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy<'a> {
    /// How long rows are kept.
    pub retention: &'a Retention,
    /// Which rules were considered.
    pub trail: Trail<'a>,
}

impl Policy<'_> {
    /// The interval in which rows are expired, or nothing when none can be.
    pub fn bounds(&self, now: Timestamp) -> Option<Bounds> {
        Bounds::new(now, self.retention.days(), self.acts_from())
    }

    /// Rows from before this instant stay, where the rule that won does not apply to the past.
    pub fn acts_from(&self) -> Option<Timestamp> {
        let winner = self.trail.winner().filter(|rule| !rule.apply_to_past);
        winner.map(|rule| rule.created_at)
    }

    /// What the policy says of a row of this time.
    pub fn fate(&self, time: Timestamp, now: Timestamp) -> Fate {
        let at_ms = time.as_millisecond();
        let Some(days) = self.retention.days() else {
            return Fate::Unlimited;
        };
        if self
            .acts_from()
            .is_some_and(|from| at_ms < from.as_millisecond())
        {
            return Fate::OlderThanTheRule;
        }
        let at = expires_at(time, days);
        match self.bounds(now) {
            Some(bounds) if bounds.contains(at_ms) => Fate::Expired { at },
            _ => Fate::NotExpired { at },
        }
    }
}

/// What a policy says of a row, guards and approvals apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It stays: its retention is unlimited.
    Unlimited,
    /// It stays: it is older than the rule, which does not apply to the past.
    OlderThanTheRule,
    /// It stays for now.
    NotExpired {
        /// Until when.
        at: Timestamp,
    },
    /// It is to go.
    Expired {
        /// Since when.
        at: Timestamp,
    },
}

impl Fate {
    /// From when on it is expired; nothing for never.
    pub fn expires_at(self) -> Option<Timestamp> {
        match self {
            Self::Unlimited | Self::OlderThanTheRule => None,
            Self::NotExpired { at } | Self::Expired { at } => Some(at),
        }
    }
}

/// The rules that spoke for a workspace or project, the most specific first. The first one won; if
/// there is none, the default holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trail<'a> {
    pub(super) candidates: [Option<&'a Rule>; 3],
}

impl<'a> Trail<'a> {
    /// The rule that won, or nothing where the default of the config holds.
    pub fn winner(&self) -> Option<&'a Rule> {
        self.rules().next()
    }

    /// The rules that lost to a more specific one.
    pub fn losers(&self) -> impl Iterator<Item = &'a Rule> {
        self.rules().skip(1)
    }

    fn rules(&self) -> impl Iterator<Item = &'a Rule> {
        self.candidates.into_iter().flatten()
    }
}
