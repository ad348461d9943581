//! Statement texts from `sql/`: one statement a file, and a first line `-- name: why` that goes to
//! the server with it, so that query logs explain themselves.

/// The text of `sql/<path>`, compiled in.
macro_rules! sql {
    ($path:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/sql/", $path))
    };
}
pub(crate) use sql;

#[cfg(test)]
mod tests {
    use std::path::Path;

    fn check(directory: &Path) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                check(&path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let first = text.lines().next().unwrap_or_default();
            let stem = path.file_stem().unwrap().to_str().unwrap();
            let name = stem.rsplit("__").next().unwrap();
            let start = format!("-- {name}: ");
            assert!(
                first.starts_with(&start) && first.len() > start.len(),
                "{}: {first}",
                path.display()
            );
        }
    }

    #[test]
    fn every_statement_says_its_name_and_why() {
        check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("sql"));
    }
}
