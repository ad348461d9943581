//! `ebbtide demo`: everything end to end, told as a story.
