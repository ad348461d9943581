//! A connection of the pool, lent to one operation.
//!
//! Invariant: a connection goes back to the pool only after an operation that came to its end. Where the
//! answer was late, or who asked has gone away, it may still be on its way: the next operation must not
//! read it.

use std::time::Duration;

use mysql_async::{Conn, DriverError};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::fault::Fault;

/// So long a connection has to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// A connection that is closed unless it is given back.
pub(super) struct Borrowed(Option<Conn>);

impl Borrowed {
    pub(super) fn new(connection: Conn) -> Self {
        Self(Some(connection))
    }

    /// The connection, until it is given back.
    pub(super) fn connection(&mut self) -> Result<&mut Conn, Fault> {
        let connection = self.0.as_mut();
        connection.ok_or_else(|| Fault::Sql(DriverError::ConnectionClosed.into()))
    }

    /// Gives the connection back to the pool, unless its answer was late.
    pub(super) fn after<T>(mut self, result: &Result<T, Fault>) {
        if !matches!(result, Err(Fault::Late(_))) {
            drop(self.0.take());
        }
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        let Some(connection) = self.0.take() else {
            return;
        };
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(timeout(GOODBYE, connection.disconnect()));
        }
    }
}
