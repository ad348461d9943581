//! The section `pace` of the configurations that tests make.

/// The disk of the machine that tests run on may be fuller than that of a server: it holds nothing
/// back, except where a test is about that.
pub const PACE: &str = "pace: {backpressure: {free_disk_share: 0}}\n";

/// A configuration with other keys in this section; `backpressure` takes the place of ours.
pub fn with_pace(yaml: &str, keys: &str) -> String {
    assert_eq!(yaml.matches(PACE).count(), 1, "{yaml}");
    let section = if keys.contains("backpressure:") {
        format!("pace: {{{keys}}}\n")
    } else {
        PACE.replace("pace: {", &format!("pace: {{{keys}, "))
    };
    yaml.replace(PACE, &section)
}
