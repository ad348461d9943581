//! The server's process: the hidden verb that loads libchdb and becomes a ClickHouse.
//!
//! It has a process of its own because libchdb brings its own allocator and signal handlers.

use crate::sql::sql;
use std::ffi::{CString, OsString, c_char, c_int};
use std::io::{self, Write};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

/// The hidden verb: `VERB LIBRARY DIRECTORY keep|remove`.
pub(super) const VERB: &str = "__clickhouse-server";
/// The directory stays when the server ends.
pub(super) const KEEP: &str = "keep";
/// The directory is removed when the server's starter ends.
pub(super) const REMOVE: &str = "remove";

/// Becomes the ClickHouse server if the arguments of this process say so; nothing otherwise.
///
/// To be called first in `main`, before threads and runtimes are started.
pub fn clickhouse_server_main() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != VERB {
        return None;
    }
    let problem = match (arguments.next(), arguments.next(), arguments.next()) {
        (Some(library), Some(directory), Some(end)) => {
            let directory = PathBuf::from(directory);
            end_with_the_starter((end == REMOVE).then(|| directory.clone()));
            serve(Path::new(&library), &directory)
        }
        _ => format!("usage: {VERB} LIBRARY DIRECTORY {KEEP}|{REMOVE}"),
    };
    // Stderr is the file that the starter shows; if it cannot be written, the exit code remains.
    writeln!(io::stderr(), "{problem}").ok();
    Some(ExitCode::FAILURE)
}

/// Ends this process at the end of stdin, which is when the starter is gone.
fn end_with_the_starter(remove: Option<PathBuf>) {
    std::thread::spawn(move || {
        // An error on the pipe means the same as its end.
        io::copy(&mut io::stdin().lock(), &mut io::sink()).ok();
        if let Some(directory) = remove {
            // The server is still writing, so one pass may leave or find new files.
            (0..5).find(|_| std::fs::remove_dir_all(&directory).is_ok());
        }
        // Not `exit`: that would run libchdb's destructors under its running threads.
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)
            .ok();
    });
}

/// What `query_stable_v2` returns; the fields up to `error` are not read.
#[repr(C)]
struct LocalResult {
    buffer: *mut c_char,
    length: usize,
    vector: *mut std::ffi::c_void,
    elapsed: f64,
    n_rows: u64,
    n_bytes: u64,
    error: *const c_char,
}

type QueryStable = unsafe extern "C" fn(c_int, *mut *mut c_char) -> *const LocalResult;

/// Runs `clickhouse local` as a server; returns only when that failed, with the reason.
#[expect(
    unsafe_code,
    reason = "libchdb is a C library; this is the one place that calls it"
)]
fn serve(library: &Path, directory: &Path) -> String {
    // libchdb carries its own copies of common symbols, which must win inside it.
    #[cfg(target_os = "linux")]
    const OWN_SYMBOLS_FIRST: c_int = 0x8;
    #[cfg(not(target_os = "linux"))]
    const OWN_SYMBOLS_FIRST: c_int = 0;

    let arguments: Result<Vec<CString>, _> = arguments(directory)
        .into_iter()
        .map(|a| CString::new(a.into_vec()))
        .collect();
    let Ok(arguments) = arguments else {
        return format!(
            "the directory {} has a NUL in its name",
            directory.display()
        );
    };
    // The pointers live as long as the process, as arguments of a `main` do.
    let mut pointers: Vec<*mut c_char> = arguments.into_iter().map(CString::into_raw).collect();
    let Ok(n_pointers) = c_int::try_from(pointers.len()) else {
        return "too many arguments".to_owned();
    };

    // SAFETY: the initialisers of libchdb, pinned by its hash, run once, before other threads
    // than the one that reads stdin.
    let opened = unsafe { Library::open(Some(library), RTLD_NOW | RTLD_LOCAL | OWN_SYMBOLS_FIRST) };
    let library = match opened {
        Ok(library) => library,
        Err(error) => return format!("cannot load {}: {error}", library.display()),
    };
    // SAFETY: this is the signature that libchdb's header gives the function.
    let query = match unsafe { library.get::<QueryStable>(b"query_stable_v2") } {
        Ok(query) => query,
        Err(error) => return format!("this libchdb has no query_stable_v2: {error}"),
    };
    // SAFETY: `pointers` are `n_pointers` strings that end in NUL and are never freed.
    let result = unsafe { query(n_pointers, pointers.as_mut_ptr()) };
    // SAFETY: the result is null or one that libchdb made and that nothing has freed.
    let error = unsafe { result.as_ref() }.map_or(std::ptr::null(), |result| result.error);
    let reason = if error.is_null() {
        "for a reason that it wrote above".into()
    } else {
        // SAFETY: libchdb's errors are strings that end in NUL.
        unsafe { std::ffi::CStr::from_ptr(error) }
            .to_string_lossy()
            .into_owned()
    };
    // Unloading would run its destructors; the process ends anyway.
    std::mem::forget(library);
    format!("ClickHouse ended: {reason}")
}

fn arguments(directory: &Path) -> Vec<OsString> {
    let with_path = |option: &str, path: &Path| {
        let mut argument = OsString::from(option);
        argument.push(path);
        argument
    };
    let mut arguments = vec![
        "clickhouse".into(),
        with_path("--config-file=", &directory.join("config.xml")),
        with_path("--path=", &directory.join("data")),
        "--log-level=warning".into(),
    ];
    for statement in [
        sql!("embedded/listen_http.sql"),
        sql!("embedded/listen_tcp.sql"),
        sql!("embedded/stay.sql"),
    ] {
        arguments.extend(["--query".into(), statement.into()]);
    }
    arguments
}
