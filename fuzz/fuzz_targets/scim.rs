//! SCIM filters, PATCH paths, patches and resources, as a directory's client, or whoever has its token, sends them.
//!
//! Finds a panic, a filter or path that takes too long, and a patch that leaves something that would not be kept as it is.
#![no_main]

use doorward::scim::examine;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let _ = (examine::takes_filter(&text), examine::takes_path(&text));
    let (path, value) = text.split_once('\n').unwrap_or((&text, "x"));
    for op in ["add", "replace", "remove"] {
        let operation = serde_json::json!({ "op": op, "path": path, "value": value });
        let whole = serde_json::from_str(value).unwrap_or(serde_json::Value::Null);
        let pathless = serde_json::json!({ "op": op, "value": whole });
        for operations in [vec![operation.clone()], vec![pathless.clone()], vec![operation, pathless]] {
            if let Some(after) = examine::patched(&serde_json::json!({ "Operations": operations })) {
                assert_eq!(examine::kept(&after).as_ref(), Some(&after), "{text}");
            }
        }
    }
    if let Ok(sent) = serde_json::from_str(&text)
        && let Some(kept) = examine::kept(&sent)
    {
        assert_eq!(examine::kept(&kept).as_ref(), Some(&kept), "{text}");
    }
});
