//! How often a token may ask for a change: each change makes every copy of the rules old.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::Method;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::problem::{Answer, Problem};

/// A token that was silent for a while may ask this share of a minute's requests at once.
const BURST_SHARE: u32 = 10;

/// What each token has left.
#[derive(Default)]
pub(super) struct Rates(Mutex<Option<Limited>>);

struct Limited {
    per_minute: NonZeroU32,
    tokens: Arc<DefaultKeyedRateLimiter<Arc<str>>>,
}

impl Rates {
    /// Counts a request of a token, or says when it may come again. Reading costs nothing: it is
    /// answered from memory, or a page at a time.
    pub(super) fn count(
        &self,
        method: &Method,
        token: &Arc<str>,
        per_minute: NonZeroU32,
    ) -> Answer<()> {
        if method.is_safe() {
            return Ok(());
        }
        let early = self.tokens(per_minute).check_key(token);
        early.map_err(|early| {
            let wait = early.wait_time_from(DefaultClock::default().now());
            Problem::too_often(per_minute, wait)
        })
    }

    /// After a reload that changes the rate all begin anew.
    fn tokens(&self, per_minute: NonZeroU32) -> Arc<DefaultKeyedRateLimiter<Arc<str>>> {
        let mut limited = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*limited {
            Some(limited) if limited.per_minute == per_minute => Arc::clone(&limited.tokens),
            _ => {
                let burst = NonZeroU32::new(per_minute.get() / BURST_SHARE);
                let quota =
                    Quota::per_minute(per_minute).allow_burst(burst.unwrap_or(NonZeroU32::MIN));
                let tokens = Arc::new(RateLimiter::keyed(quota));
                *limited = Some(Limited {
                    per_minute,
                    tokens: Arc::clone(&tokens),
                });
                tokens
            }
        }
    }
}
