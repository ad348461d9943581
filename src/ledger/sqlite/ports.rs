//! Between async callers and the blocking thread: rows come out and go in by batches.

use tokio::sync::mpsc;

use super::fault::Fault;

const STREAM_ROWS: usize = 500;

/// Where a reader on the blocking thread puts its rows.
pub(super) struct Outlet<T> {
    pub(super) sender: mpsc::Sender<Vec<T>>,
    pub(super) batch: Vec<T>,
}

impl<T> Outlet<T> {
    pub(super) fn push(&mut self, row: T) -> Result<(), Fault> {
        self.batch.push(row);
        if self.batch.len() < STREAM_ROWS {
            Ok(())
        } else {
            self.flush()
        }
    }

    pub(super) fn flush(&mut self) -> Result<(), Fault> {
        let batch = std::mem::take(&mut self.batch);
        self.sender
            .blocking_send(batch)
            .map_err(|_| Fault::Abandoned)
    }
}

/// Where a writer on the blocking thread gets its batches.
pub(super) struct Inlet<B> {
    pub(super) receiver: mpsc::Receiver<Vec<B>>,
}

impl<B> Inlet<B> {
    /// The next batch, nothing at the end, and a fault if the input broke off before its end.
    pub(super) fn next(&mut self) -> Result<Option<Vec<B>>, Fault> {
        match self.receiver.blocking_recv() {
            Some(batch) => Ok(Some(batch).filter(|batch| !batch.is_empty())),
            None => Err(Fault::Abandoned),
        }
    }
}
