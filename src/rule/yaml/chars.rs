//! Bytes to characters, a buffer at a time, with the last two buffers kept for diagnostics.

use std::io::{ErrorKind as IoKind, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use granit_parser::ErrorKind;

use super::{Place, RuleProblem};

const BUFFER_BYTES: usize = 16 * 1024;
/// How much of a long line a diagnostic shows on either side of the caret.
const CONTEXT_CHARS: usize = 50;

/// The characters of a reader.
pub(super) struct Chars<R> {
    input: R,
    buffer: Vec<u8>,
    /// Bytes of an incomplete character at the start of `buffer`.
    n_carried: usize,
    /// Bytes decoded before the present text.
    n_decoded: usize,
    text: Arc<str>,
    position: usize,
    /// Set when no text follows the present one: the end of the file, or what is wrong there.
    end: Option<Result<(), String>>,
    recent: Arc<Recent>,
}

impl<R: Read> Chars<R> {
    pub(super) fn new(input: R) -> (Self, Arc<Recent>) {
        let recent = Arc::new(Recent::default());
        let chars = Self {
            input,
            buffer: vec![0; BUFFER_BYTES],
            n_carried: 0,
            n_decoded: 0,
            text: "".into(),
            position: 0,
            end: None,
            recent: Arc::clone(&recent),
        };
        (chars, recent)
    }

    /// Decodes until there is text, or `end` is set.
    fn fill(&mut self) {
        self.n_decoded += self.text.len();
        let mut text = Arc::default();
        while self.end.is_none() {
            let free = self.buffer.get_mut(self.n_carried..).unwrap_or_default();
            let n_bytes = match self.input.read(free) {
                Ok(0) if self.n_carried == 0 => {
                    self.end = Some(Ok(()));
                    break;
                }
                Ok(0) => {
                    self.end = Some(Err(invalid_utf8(self.n_decoded)));
                    break;
                }
                Ok(n_read) => self.n_carried + n_read,
                Err(error) if error.kind() == IoKind::Interrupted => continue,
                Err(error) => {
                    self.end = Some(Err(format!("cannot read on: {error}")));
                    break;
                }
            };
            let bytes = self.buffer.get(..n_bytes).unwrap_or_default();
            let n_valid = match str::from_utf8(bytes) {
                Ok(_) => n_bytes,
                Err(error) => {
                    if error.error_len().is_some() {
                        let at = self.n_decoded + error.valid_up_to();
                        self.end = Some(Err(invalid_utf8(at)));
                    }
                    error.valid_up_to()
                }
            };
            let valid = bytes.get(..n_valid).unwrap_or_default();
            text = str::from_utf8(valid).unwrap_or_default().into();
            self.buffer.copy_within(n_valid..n_bytes, 0);
            self.n_carried = n_bytes - n_valid;
            if n_valid > 0 {
                break;
            }
        }
        self.recent.push(&text);
        self.text = text;
        self.position = 0;
    }
}

fn invalid_utf8(at_byte: usize) -> String {
    format!("byte {at_byte} of the file is not UTF-8; save the file as UTF-8")
}

impl<R: Read> Iterator for Chars<R> {
    type Item = Result<char, ErrorKind>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = self.text.get(self.position..).unwrap_or_default();
            if let Some(letter) = rest.chars().next() {
                self.position += letter.len_utf8();
                return Some(Ok(letter));
            }
            match self.end.take() {
                None => self.fill(),
                Some(Ok(())) => {
                    self.end = Some(Ok(()));
                    return None;
                }
                Some(Err(message)) => {
                    self.end = Some(Ok(()));
                    self.recent.fail(&message);
                    return Some(Err(ErrorKind::Custom(message)));
                }
            }
        }
    }
}

/// The last two buffers of text, shared with the reader; locked once a buffer.
#[derive(Default)]
pub(super) struct Recent(Mutex<Texts>);

#[derive(Default)]
struct Texts {
    previous: Arc<str>,
    current: Arc<str>,
    before: Breaks,
    failure: Option<RuleProblem>,
}

impl Recent {
    fn lock(&self) -> MutexGuard<'_, Texts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, text: &Arc<str>) {
        let mut texts = self.lock();
        let dropped = std::mem::replace(&mut texts.previous, Arc::clone(text));
        let Texts {
            previous,
            current,
            before,
            ..
        } = &mut *texts;
        dropped.chars().for_each(|letter| before.pass(letter));
        std::mem::swap(previous, current);
    }

    /// Records that the text ends with a failure of the input rather than of the YAML.
    fn fail(&self, message: &str) {
        let mut texts = self.lock();
        let mut at = texts.before;
        for letter in texts.previous.chars().chain(texts.current.chars()) {
            at.pass(letter);
        }
        texts.failure = Some(at.place().problem(message));
    }

    pub(super) fn failure(&self) -> Option<RuleProblem> {
        self.lock().failure.clone()
    }

    /// The line of a place with a caret under its column, if it was read recently.
    pub(super) fn caret(&self, place: Place) -> Option<String> {
        let texts = self.lock();
        let mut at = texts.before;
        let mut line = String::new();
        let mut first_column = 0;
        for letter in texts.previous.chars().chain(texts.current.chars()) {
            let here = at.place();
            at.pass(letter);
            if here.line > place.line {
                break;
            }
            let is_near = here.column.abs_diff(place.column) <= CONTEXT_CHARS;
            if here.line == place.line && is_near && !matches!(letter, '\n' | '\r') {
                if line.is_empty() {
                    first_column = here.column;
                }
                line.push(if letter.is_control() { ' ' } else { letter });
            }
        }
        if line.is_empty() {
            return None;
        }
        let indent = " ".repeat(place.column.saturating_sub(first_column));
        Some(format!("    {line}\n    {indent}^"))
    }
}

/// Counts lines and columns as YAML does: a line ends with LF, CR or CR LF.
#[derive(Clone, Copy, Default)]
struct Breaks {
    n_lines: usize,
    n_columns: usize,
    after_cr: bool,
}

impl Breaks {
    fn pass(&mut self, letter: char) {
        let joins_cr = letter == '\n' && self.after_cr;
        if matches!(letter, '\n' | '\r') && !joins_cr {
            self.n_lines += 1;
        }
        self.n_columns = match letter {
            '\n' | '\r' => 0,
            _ => self.n_columns + 1,
        };
        self.after_cr = letter == '\r';
    }

    fn place(self) -> Place {
        Place {
            line: self.n_lines + 1,
            column: self.n_columns + 1,
        }
    }
}
