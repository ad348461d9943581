//! A YAML list of rules, read as a stream.
//!
//! Invariant: memory does not grow with the file, but for 16 bytes and a line number per rule that
//! find a scope occurring twice. A rule with a problem is never yielded, and never hides the next.

mod chars;
mod draft;
mod entry;
mod event;

use std::collections::VecDeque;
use std::collections::hash_map::Entry;
use std::io::Read;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};
use granit_parser::{
    ErrorKind, Event, FallibleBufferedInput, Options, Parser, ScalarStyle, ScanError,
};

use super::{Periods, Scope};
use chars::{Chars, Recent};
use draft::Draft;
use entry::Place;
use event::{decoration, depth_change, value};

pub use entry::{RuleEntry, RuleFileError, RuleProblem};

/// Iterates over the rules of a YAML list without holding it in memory.
///
/// A rule with problems yields them one after another instead of itself, and the reading goes on
/// with the next rule. After a syntax error nothing more can be read: it is the last item.
///
/// ```
/// use ebbtide::{Days, Periods, RuleReader, Scope};
/// let periods = Periods::new([("base_60d", Days::new(60)?)], Days::new(1)?)?;
/// let yaml = "- {workspace: w1, retention: base_60d}\n- {workspace: w2, retention: 6m}\n";
/// let mut rules = RuleReader::new(yaml.as_bytes(), &periods);
/// assert_eq!(rules.next().unwrap()?.scope, Scope::Workspace("w1".into()));
/// assert_eq!(rules.next().unwrap().unwrap_err().line, 2);
/// assert!(rules.next().is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RuleReader<'p, R: Read> {
    periods: &'p Periods,
    parser: Parser<'static, FallibleBufferedInput<Chars<R>>>,
    recent: Arc<Recent>,
    state: State,
    /// The line of each scope so far, by the first half of [`Scope::key`].
    lines: HashMap<[u8; 16], u32>,
    problems: VecDeque<RuleProblem>,
}

#[derive(Clone, Copy)]
enum State {
    Start,
    List,
    Finished,
}

type Node = (Event<'static>, Place);

impl<'p, R: Read> RuleReader<'p, R> {
    /// Reads UTF-8 YAML from `input`.
    pub fn new(input: R, periods: &'p Periods) -> Self {
        let (chars, recent) = Chars::new(input);
        // Unknown aliases come as events, so that they are refused where they stand like known ones.
        let options = granit_parser::options! {
            emit_unresolved_aliases: true,
            emit_comments: false,
            disallow_directives: true,
        };
        let options: Options = options;
        Self {
            periods,
            parser: Parser::new_from_fallible_iter_with_options(chars, options),
            recent,
            state: State::Start,
            lines: HashMap::new(),
            problems: VecDeque::new(),
        }
    }

    /// The next event, or nothing after an error, which is recorded as the last problem.
    fn event(&mut self) -> Option<Node> {
        match self.parser.next_event() {
            // The parser writes a missing value as `~`, too.
            Some(Ok((Event::Scalar(_, ScalarStyle::Plain, anchor, tag), span)))
                if span.is_empty() =>
            {
                let event = Event::Scalar("".into(), ScalarStyle::Plain, anchor, tag);
                return Some((event, span.start.into()));
            }
            Some(Ok((event, span))) => return Some((event, span.start.into())),
            Some(Err(error)) => {
                let problem = self.syntax_problem(&error);
                self.problems.push_back(problem);
            }
            None => {}
        }
        self.state = State::Finished;
        None
    }

    fn syntax_problem(&self, error: &ScanError) -> RuleProblem {
        if let (ErrorKind::Custom(_) | ErrorKind::InputIo { .. }, Some(failure)) =
            (error.kind(), self.recent.failure())
        {
            return failure;
        }
        let place = Place::from(*error.marker());
        let mut message = format!(
            "this is not valid YAML: {}; correct it, nothing after it can be read",
            error.info()
        );
        if let Some(caret) = self.recent.caret(place) {
            message.push('\n');
            message.push_str(&caret);
        }
        place.problem(message)
    }

    /// Reads up to the first rule.
    fn begin(&mut self) -> Option<()> {
        loop {
            let (event, place) = self.event()?;
            match &event {
                Event::StreamStart | Event::DocumentStart(..) => continue,
                Event::StreamEnd => self.state = State::Finished,
                // A file with nothing but `---` and comments.
                Event::Scalar(text, ScalarStyle::Plain, 0, None) if text.is_empty() => {
                    self.end()?;
                }
                Event::SequenceStart(..) => {
                    if let Some(message) = decoration(&event) {
                        self.problems.push_back(place.problem(message));
                    }
                    self.state = State::List;
                }
                _ => {
                    self.state = State::Finished;
                    self.problems.push_back(place.problem(
                        "the file is not a list; begin each rule with a dash, such as \
                         `- {workspace: w1, retention: 7d}`",
                    ));
                }
            }
            return Some(());
        }
    }

    /// Reads what follows the list: nothing.
    fn end(&mut self) -> Option<()> {
        loop {
            let (event, place) = self.event()?;
            match event {
                Event::DocumentEnd => {}
                Event::StreamEnd => break,
                _ => {
                    self.problems.push_back(place.problem(
                        "a second document begins here and would not be read; \
                         put all rules in one list",
                    ));
                    break;
                }
            }
        }
        self.state = State::Finished;
        Some(())
    }

    /// Reads one element of the list: a rule, if it has no problem.
    fn item(&mut self) -> Option<RuleEntry> {
        let (event, place) = self.event()?;
        match &event {
            Event::SequenceEnd => {
                self.end();
                None
            }
            Event::MappingStart(..) => {
                let mut draft = Draft::new(place);
                if let Some(message) = decoration(&event) {
                    draft.refuse(place, message);
                }
                if self.fields(&mut draft).is_none() {
                    // What is known of the rule comes before the syntax error that ends it.
                    for problem in draft.problems.into_iter().rev() {
                        self.problems.push_front(problem);
                    }
                    return None;
                }
                let line = place.line;
                let (entry, scope, mut problems) = draft.check(self.periods);
                if let Some((scope, place)) = scope
                    && let Some(first) = self.first_line_of(&scope, line)
                {
                    problems.push(place.problem(format!(
                        "{scope} already has a rule on line {first}; keep one of the two"
                    )));
                }
                problems.sort_by_key(|problem| (problem.line, problem.column));
                let entry = entry.filter(|_| problems.is_empty());
                self.problems.extend(problems);
                entry
            }
            _ => {
                self.skip_rest_of(&event)?;
                let message = decoration(&event).unwrap_or(
                    "this is not a rule; write keys and values, such as \
                     `- {workspace: w1, retention: 7d}`",
                );
                self.problems.push_back(place.problem(message));
                None
            }
        }
    }

    fn fields(&mut self, draft: &mut Draft) -> Option<()> {
        loop {
            let (key, place) = self.event()?;
            if matches!(key, Event::MappingEnd) {
                return Some(());
            }
            self.skip_rest_of(&key)?;
            let (event, value_place) = self.event()?;
            self.skip_rest_of(&event)?;
            match &key {
                Event::Scalar(name, _, 0, None) => {
                    draft.put(name, place, value(&event), value_place);
                }
                _ => draft.refuse(place, "a key must be a plain word, such as workspace"),
            }
        }
    }

    /// Reads the inside of a list or mapping that has just begun.
    fn skip_rest_of(&mut self, event: &Event<'static>) -> Option<()> {
        let mut depth = depth_change(event);
        while depth > 0 {
            let (event, _) = self.event()?;
            depth += depth_change(&event);
        }
        Some(())
    }

    /// Remembers where a scope was seen; returns the line where it was seen before.
    fn first_line_of(&mut self, scope: &Scope, line: usize) -> Option<u32> {
        let key = scope.key();
        let half = *key.first_chunk::<16>()?;
        match self.lines.entry(half) {
            Entry::Occupied(first) => Some(*first.get()),
            Entry::Vacant(free) => {
                free.insert(u32::try_from(line).unwrap_or(u32::MAX));
                None
            }
        }
    }
}

impl<R: Read> Iterator for RuleReader<'_, R> {
    type Item = Result<RuleEntry, RuleProblem>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(problem) = self.problems.pop_front() {
                return Some(Err(problem));
            }
            match self.state {
                State::Finished => return None,
                State::Start => {
                    self.begin();
                }
                State::List => {
                    if let Some(entry) = self.item() {
                        return Some(Ok(entry));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
