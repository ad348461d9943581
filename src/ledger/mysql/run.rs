//! How an operation runs: on a connection of the pool, in a transaction where it changes something, in
//! time, and once more where that may help. Macros, since a closure cannot lend the connection to a
//! future that has to be `Send`.

/// Runs an operation on a connection of the pool and names what failed.
macro_rules! on_connection {
    ($this:ident, $action:literal, $connection:ident => $operation:expr) => {{
        let limit = Some($crate::ledger::mysql::limit::LIMIT);
        $crate::ledger::mysql::run::on_connection!($this, $action, limit, $connection => $operation)
    }};
    ($this:ident, $action:literal, $limit:expr, $connection:ident => $operation:expr) => {{
        use $crate::ledger::mysql::{borrowed::Borrowed, limit::in_time};
        let mut borrowed = Borrowed::new($this.access.connection().await?);
        let work = async {
            let $connection = borrowed.connection()?;
            $operation.await
        };
        let result = in_time($limit, work).await;
        borrowed.after(&result);
        result.map_err(|fault| $this.error($action, fault))
    }};
}

/// Runs a change in a transaction of its own.
macro_rules! changed {
    ($this:ident, $limit:expr, $change:ident => $operation:expr) => {{
        use $crate::ledger::mysql::{borrowed::Borrowed, change, limit};
        let mut borrowed = Borrowed::new($this.access.connection().await?);
        let work = async {
            let beginning = change::Change::begin(borrowed.connection()?);
            let mut change = limit::in_time(Some(limit::LIMIT), beginning).await?;
            let $change = &mut change;
            let done = $operation.await;
            limit::in_time(Some(limit::LIMIT), change.end(done)).await
        };
        let result = limit::in_time($limit, work).await;
        borrowed.after(&result);
        result
    }};
}

/// The same, and names what failed.
macro_rules! in_change {
    ($this:ident, $action:literal, $limit:expr, $change:ident => $operation:expr) => {
        $crate::ledger::mysql::run::changed!($this, $limit, $change => $operation)
            .map_err(|fault| $this.error($action, fault))
    };
}

/// The same, and once more after a conflict.
macro_rules! retried {
    ($this:ident, $action:literal, $change:ident => $operation:expr) => {{
        use $crate::ledger::mysql::{fault::Attempts, limit::LIMIT, run::changed};
        let mut attempts = Attempts::default();
        loop {
            match changed!($this, Some(LIMIT), $change => $operation) {
                Err(fault) if attempts.again(&fault).await => {}
                result => break result.map_err(|fault| $this.error($action, fault)),
            }
        }
    }};
}

pub(super) use {changed, in_change, on_connection, retried};
