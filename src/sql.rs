//! Statement texts from `sql/`.
