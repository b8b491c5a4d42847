//! The same over HTTP/2 within TLS: malformed requests, strangers' identities and paths to the real binary, frame by frame.

use std::time::Duration;

use super::paths::{BYPASSES, FORWARDED};
use super::spoofing::{LIE, NAMES, heard};
use super::wire::Stage;
use crate::support::h2::{DATA, END_HEADERS, END_STREAM, End, HEADERS, block, frame};

/// Threat, expected status, request; 0 for a stream or connection that is ended. Fields lie between `¶`, and `§` divides head, body
/// and trailers; `@GET /` stands for the four pseudo-header fields.
const REFUSED: &[(&str, u16, &str)] = &[
    ("f9_return_in_value", 0, "@GET /¶x = a\rb"),
    ("f9_line_feed_in_value", 0, "@GET /¶x = a\nb"),
    ("f9_line_in_value", 0, "@GET /¶x = a\r\nx-forwarded-user: admin"),
    ("f9_request_in_value", 0, "@GET /¶x = a\r\n\r\nGET /admin HTTP/1.1\r\nHost: app.test\r\n\r\n"),
    ("f9_nul_in_value", 0, "@GET /¶x = a\0b"),
    ("f9_control_in_value", 0, "@GET /¶x = a\u{1}b"),
    ("f9_delete_in_value", 0, "@GET /¶x = a\u{7f}b"),
    ("f9_return_in_name", 0, "@GET /¶x\ry = a"),
    ("f9_line_feed_in_name", 0, "@GET /¶x\ny = a"),
    ("f9_line_in_name", 0, "@GET /¶x: a\r\nx-forwarded-user = admin"),
    ("f9_nul_in_name", 0, "@GET /¶x\0y = a"),
    ("f9_space_in_name", 0, "@GET /¶x y = a"),
    ("f9_space_behind_name", 0, "@GET /¶content-length  = 0"),
    ("f9_colon_in_name", 0, "@GET /¶x:y = a"),
    ("f9_parenthesis_in_name", 0, "@GET /¶x(y) = a"),
    ("f9_beyond_ascii_in_name", 0, "@GET /¶xä = a"),
    ("f9_empty_name", 0, "@GET /¶ = a"),
    ("f9_upper_case", 0, "@GET /¶X = a"),
    ("f9_upper_case_within", 0, "@GET /¶x-Forwarded-user = a"),
    ("f9_upper_case_pseudo", 0, ":Method = GET¶:scheme = https¶:authority = app.test¶:path = /"),
    ("f9_connection", 0, "@GET /¶connection = close"),
    ("f9_connection_naming_a_header", 0, "@GET /¶connection = x-forwarded-user"),
    ("f9_keep_alive", 0, "@GET /¶keep-alive = timeout=5"),
    ("f9_proxy_connection", 0, "@GET /¶proxy-connection = keep-alive"),
    ("f9_upgrade", 0, "@GET /¶upgrade = h2c"),
    ("f9_upgrade_to_websocket", 0, "@GET /¶upgrade = websocket¶sec-websocket-version = 13"),
    ("f9_transfer_encoding", 0, "@POST /¶transfer-encoding = chunked§0\r\n\r\n"),
    ("f9_transfer_encoding_identity", 0, "@POST /¶transfer-encoding = identity§hello"),
    ("f9_transfer_encoding_with_length", 0, "@POST /¶content-length = 5¶transfer-encoding = chunked§hello"),
    ("f9_underscored_coding", 400, "@POST /¶transfer_encoding = chunked§0\r\n\r\n"),
    ("f9_underscored_length", 400, "@POST /¶content_length = 5§hello"),
    ("f9_te_gzip", 0, "@GET /¶te = gzip"),
    ("f9_te_trailers_and_more", 0, "@GET /¶te = trailers, gzip"),
    ("f9_te_chunked", 0, "@GET /¶te = chunked"),
    ("f9_length_without_body", 0, "@POST /¶content-length = 5"),
    ("f3_length_twice_equal", 400, "@POST /¶content-length = 5¶content-length = 5§hello"),
    ("f3_length_twice_other", 0, "@POST /¶content-length = 5¶content-length = 6§hello"),
    ("f3_length_list", 0, "@POST /¶content-length = 5, 5§hello"),
    ("f3_length_plus", 0, "@POST /¶content-length = +5§hello"),
    ("f3_length_minus", 0, "@POST /¶content-length = -1§hello"),
    ("f3_length_hexadecimal", 0, "@POST /¶content-length = 0x5§hello"),
    ("f3_length_empty", 0, "@POST /¶content-length = §hello"),
    ("f3_length_overflow", 0, "@POST /¶content-length = 18446744073709551621§hello"),
    ("f3_length_space", 0, "@POST /¶content-length =  5§hello"),
    ("f9_no_method", 0, ":scheme = https¶:authority = app.test¶:path = /"),
    ("f9_no_scheme", 0, ":method = GET¶:authority = app.test¶:path = /"),
    ("f9_no_path", 0, ":method = GET¶:scheme = https¶:authority = app.test"),
    ("f9_no_pseudo", 0, "x = a"),
    ("f9_nothing", 0, ""),
    ("f9_method_twice", 0, "@GET /¶:method = GET"),
    ("f9_other_method_twice", 0, "@GET /¶:method = POST"),
    ("f9_path_twice", 0, "@GET /¶:path = /admin/x"),
    ("f9_authority_twice", 0, "@GET /¶:authority = evil.test"),
    ("f9_scheme_twice", 0, "@GET /¶:scheme = https"),
    ("f9_late_pseudo", 0, ":method = GET¶:scheme = https¶:authority = app.test¶x = a¶:path = /"),
    ("f9_late_second_path", 0, "@GET /¶x = a¶:path = /admin/x"),
    ("f9_unknown_pseudo", 0, "@GET /¶:unknown = a"),
    ("f9_protocol_without_offer", 0, "@GET /¶:protocol = websocket"),
    ("f9_status_in_request", 0, "@GET /¶:status = 200"),
    ("f9_line_in_method", 0, ":method = GET / HTTP/1.1\r\nx: y¶:scheme = https¶:authority = app.test¶:path = /"),
    ("f9_space_in_method", 0, "@G T /"),
    ("f9_method_empty", 0, ":method = ¶:scheme = https¶:authority = app.test¶:path = /"),
    ("f9_line_in_path", 0, "@GET /a HTTP/1.1\r\nx-forwarded-user: admin\r\nx: y"),
    ("f9_nul_in_path", 0, "@GET /a\0b"),
    ("f9_space_in_path", 0, "@GET /a HTTP/1.1"),
    ("f9_beyond_ascii_in_path", 0, "@GET /ä"),
    ("f9_line_in_authority", 0, ":method = GET¶:scheme = https¶:authority = app.test\r\nx: y¶:path = /"),
    ("f9_line_in_scheme", 0, ":method = GET¶:scheme = https\r\nx: y¶:authority = app.test¶:path = /"),
    ("f9_path_in_scheme", 0, ":method = GET¶:scheme = http://evil.test/x?¶:authority = app.test¶:path = /"),
    ("f12_no_authority", 400, ":method = GET¶:scheme = https¶:path = /"),
    ("f12_authority_empty", 0, ":method = GET¶:scheme = https¶:authority = ¶:path = /"),
    ("f12_authority_and_other_host", 400, "@GET /¶host = evil.test"),
    ("f12_authority_and_two_hosts", 400, "@GET /¶host = app.test¶host = app.test"),
    ("f12_two_hosts", 400, ":method = GET¶:scheme = https¶:path = /¶host = app.test¶host = evil.test"),
    ("f12_authority_with_user", 400, ":method = GET¶:scheme = https¶:authority = a@app.test¶:path = /"),
    ("f12_authority_with_password", 400, ":method = GET¶:scheme = https¶:authority = app.test:x@evil.test¶:path = /"),
    ("f12_authority_with_path", 0, ":method = GET¶:scheme = https¶:authority = app.test/admin¶:path = /"),
    ("f12_authority_with_query", 0, ":method = GET¶:scheme = https¶:authority = app.test?a¶:path = /"),
    ("f12_authority_with_space", 0, ":method = GET¶:scheme = https¶:authority = app.test evil.test¶:path = /"),
    ("f12_authority_list", 400, ":method = GET¶:scheme = https¶:authority = app.test,evil.test¶:path = /"),
    ("f12_authority_encoded", 0, ":method = GET¶:scheme = https¶:authority = app%2etest¶:path = /"),
    ("f12_authority_port", 400, ":method = GET¶:scheme = https¶:authority = app.test:99999¶:path = /"),
    ("f12_host_with_space", 400, ":method = GET¶:scheme = https¶:path = /¶host = app.test evil.test"),
    ("f12_absolute_path", 0, "@GET http://app.test/"),
    ("f12_absolute_path_of_another", 0, "@GET https://evil.test/admin"),
    ("p1_path_empty", 0, "@GET "),
    ("p1_path_without_slash", 0, "@GET admin/x"),
    ("p1_asterisk_by_get", 400, "@GET *"),
    ("f6_connect", 405, ":method = CONNECT¶:authority = app.test:443"),
    ("f6_connect_with_path", 0, "@CONNECT /"),
    ("f6_extended_connect", 0, "@CONNECT /¶:protocol = websocket"),
    ("f8_expectation", 417, "@POST /¶expect = 200-ok§hello"),
    ("start_trace", 405, "@TRACE /"),
    ("start_unknown_method", 501, "@FOO /"),
    ("start_method_in_lower_case", 501, "@get /"),
    ("h5_two_authorizations", 400, "@GET /¶authorization = Basic YTpi¶authorization = Basic Yzpk"),
    ("h5_two_content_types", 400, "@POST /¶content-type = a/b¶content-type = c/d§hello"),
];

/// Requests whose flaw shows only in the body or behind it, and what of them may not arrive: their head may be on its way already.
const LATE: &[(&str, &str, &str)] = &[
    ("f9_length_too_long", "@POST /¶content-length = 6§hello", "\r\n0\r\n"),
    ("f9_length_too_short", "@POST /¶content-length = 4§hello", "hell"),
    ("f9_length_before_trailers", "@POST /¶content-length = 6§hello§x-sum = 1", "\r\n0\r\n"),
    ("f9_length_hides_a_request", "@POST /¶content-length = 0§GET /smuggled HTTP/1.1\r\nHost: app.test\r\n\r\n", "/smuggled"),
    ("f9_line_in_trailers", "@POST /§hello§x = a\r\nb: c", "b: c"),
    ("f9_upper_case_in_trailers", "@POST /§hello§X = a", "\r\n0\r\n"),
    ("f9_connection_in_trailers", "@POST /§hello§connection = close", "\r\n0\r\n"),
    ("f9_coding_in_trailers", "@POST /§hello§transfer-encoding = chunked", "\r\n0\r\n"),
];

/// What the engine leaves out before anybody judges it: what may not arrive, and what does.
const CUT: &[(&str, &str, &str, &str)] = &[
    ("f9_pseudo_in_trailers", "@POST /a§hello§:path = /admin/x", "/admin", "POST /a HTTP/1.1\r\n"),
    ("p2_fragment", "@GET /a#b", "#", "GET /a HTTP/1.1\r\n"),
    ("p2_fragment_in_query", "@GET /a?b#c", "#", "GET /a?b HTTP/1.1\r\n"),
    ("p2_fragment_before_the_rest", "@GET /public#/../closed/x", "closed", "GET /public HTTP/1.1\r\n"),
];

/// Requests that are fine, and what of them arrives.
const TAKEN: &[(&str, &str, &str)] = &[
    ("plain", "@GET /a?b", "GET /a?b HTTP/1.1\r\n"),
    ("host_equals_authority", "@GET /¶host = app.test", "\r\nhost: app.test\r\n"),
    ("host_alone", ":method = GET¶:scheme = https¶:path = /¶host = app.test", "\r\nhost: app.test\r\n"),
    ("te_trailers", "@GET /te¶te = trailers", "GET /te HTTP/1.1\r\n"),
    ("length", "@POST /¶content-length = 5§hello", "\r\n\r\nhello"),
    ("body_of_lines", "@POST /¶content-length = 8§\n\r\n a\0b ", "\n\r\n a\0b "),
    ("latin_1_in_value", "@GET /¶x = ä", "\r\nx: ä\r\n"),
    ("empty_value", "@GET /¶x = ", "\r\nx: \r\n"),
    ("options_of_the_server", "@OPTIONS *", "OPTIONS * HTTP/1.1\r\n"),
    ("crumbs", "@GET /¶cookie = a=1¶cookie = b=2", "\r\ncookie: a=1; b=2\r\n"),
];

#[test]
fn f9_f12_malformed_http2_is_refused_and_leaves_nothing_behind() {
    assert!(REFUSED.len() >= 80);
    let stage = Stage::set("");
    let mut wrong = Vec::new();
    for (name, status, text) in REFUSED {
        let end = stage.http2(&[]).ask(text);
        if end.status() != Some(*status) {
            wrong.push(format!("{name}: {end:?}"));
        }
    }
    let arrived = stage.arrived();
    assert!(wrong.is_empty() && arrived.is_empty(), "{} of {}:\n{}\n{arrived}", wrong.len(), REFUSED.len(), wrong.join("\n"));
}

#[test]
fn f9_f10_what_is_fine_in_http2_arrives_as_one_request() {
    let stage = Stage::set("");
    let mut connection = stage.http2(&[]);
    for (name, text, wanted) in TAKEN {
        stage.forget();
        assert_eq!(connection.ask(text), End::Answer(200), "{name}");
        let arrived = stage.arrived().replace("Host:", "host:").replace("Cookie:", "cookie:").replace("X:", "x:");
        assert!(arrived.contains(wanted) && arrived.matches("HTTP/1.1\r\n").count() == 1, "{name}: {arrived}");
    }
}

#[test]
fn f9_a_flaw_behind_the_head_ends_the_request_at_the_application_too() {
    let stage = Stage::set("");
    for (name, text, unwanted) in LATE {
        let end = stage.http2(&[]).ask(text);
        assert_eq!(end.status(), Some(0), "{name}: {end:?}");
        assert_eq!(stage.http2(&[]).ask("@GET /fine"), End::Answer(200), "{name}");
        let arrived = stage.arrived();
        assert!(!arrived.contains(unwanted), "{name}: {arrived}");
        // Half a request must not lie before the next one; a whole one may.
        let fine = stage.connections().into_iter().find(|text| text.contains("GET /fine")).unwrap();
        assert!(fine.starts_with("GET /fine ") || fine.to_ascii_lowercase().contains("content-length: 0\r\n"), "{name}: {fine}");
        stage.forget();
    }
}

#[test]
fn p2_f9_what_the_engine_leaves_out_is_neither_judged_nor_forwarded() {
    let stage = Stage::set("");
    let mut connection = stage.http2(&[]);
    for (name, text, unwanted, wanted) in CUT {
        stage.forget();
        assert_eq!(connection.ask(text), End::Answer(200), "{name}");
        let arrived = stage.arrived();
        assert!(arrived.starts_with(wanted) && !arrived.contains(unwanted), "{name}: {arrived}");
    }
    assert_eq!(connection.ask("@GET /closed/x#/public"), End::Answer(403), "the rest is judged");
}

#[test]
fn f9_a_refused_stream_leaves_its_neighbours_alone() {
    let stage = Stage::set("");
    let mut connection = stage.http2(&[]);
    for (name, _, text) in REFUSED.iter().filter(|(name, ..)| ["f9_connection", "f12_authority_and_other_host"].contains(name)) {
        connection.ask(text);
        assert_eq!(connection.ask("@GET /fine"), End::Answer(200), "after {name}");
    }
    assert_eq!(stage.arrived().matches("GET /fine ").count(), 2);
}

#[test]
fn f10_h6_the_doors_cookie_does_not_arrive_however_it_is_crumbled() {
    let stage = Stage::set("");
    for crumbs in [
        "cookie = a=1; __Host-doorward=spoofed-admin; b=2",
        "cookie = a=1¶cookie = __Host-doorward=spoofed-admin¶cookie = b=2",
        "cookie = a=1; __Host-doorward=spoofed-admin; __Host-doorward=spoofed-admin; b=2",
        "cookie = a=1; __Host-doorward=spoofed-admin¶cookie = __Host-doorward=spoofed-admin; b=2",
        "cookie = __Host-doorward=spoofed-admin¶cookie = a=1¶cookie = b=2¶cookie = __Host-doorward=spoofed-admin",
    ] {
        stage.forget();
        assert_eq!(stage.http2(&[]).ask(&format!("@GET /public/a¶{crumbs}")), End::Answer(200), "{crumbs}");
        let arrived = stage.arrived().to_ascii_lowercase();
        assert!(arrived.contains("cookie: a=1; b=2\r\n") && !arrived.contains("__host-doorward"), "{crumbs}: {arrived}");
        assert_eq!(stage.http2(&[]).ask(&format!("@GET /admin/a¶{crumbs}")), End::Answer(401), "{crumbs}");
    }
}

#[test]
fn d7_oversized_http2_requests_are_refused() {
    let stage = Stage::set("");
    let fields = |count: usize| (0..count).map(|at| format!("¶x{at} = y")).collect::<Vec<_>>().concat();
    let cases = [
        (431, format!("@GET /¶x = {}", "a".repeat(40_000))),
        (431, format!("@GET /{}", fields(3000))),
        (431, format!("@GET /{}", fields(120))),
        (431, format!("@GET /{}", "¶x = y".repeat(120))),
        (414, format!("@GET /{}", "a".repeat(9000))),
        (431, format!("@GET /¶cookie = a={}", "b".repeat(17_000))),
        (431, format!("@GET /{}", "¶cookie = a=b".repeat(90) + &"¶cookie = a=b; c=d".repeat(9))),
    ];
    for (status, text) in cases {
        let end = stage.http2(&[]).ask(&text);
        assert_eq!(end.status(), Some(status), "{}: {end:?}", &text[..40.min(text.len())]);
    }
    assert_eq!(stage.arrived(), "");
}

/// Ways to write a header in HTTP/2, most of them well-formed.
fn spellings(name: &str) -> [(&'static str, String); 8] {
    let name = name.to_ascii_lowercase();
    let underscored = name.replace('-', "_");
    [
        ("as_it_is", format!("{name} = {LIE}")),
        ("upper_case", format!("{} = {LIE}", name.to_ascii_uppercase())),
        ("underscores", format!("{underscored} = {LIE}")),
        ("one_underscore", format!("{} = {LIE}", name.replacen('-', "_", 1))),
        ("twice", format!("{name} = {LIE}¶{name} = {LIE}")),
        ("twice_in_two_spellings", format!("{name} = {LIE}¶{underscored} = {LIE}")),
        ("spaces_around", format!("{name} =   {LIE} ")),
        ("empty_then_lie", format!("{name} = ¶{name} = {LIE}")),
    ]
}

/// Ways to ask. `{}` is the header's place.
const KINDS: &[(&str, &str)] = &[
    ("public", "@GET /public/a¶{}"),
    ("optional", "@GET /optional/a¶{}"),
    ("preflight", "@OPTIONS /public/a¶origin = https://evil.test¶access-control-request-method = PUT¶{}"),
    ("options_of_the_server", "@OPTIONS *¶{}"),
    ("with_body", "@POST /public/a¶{}§ok"),
    ("trailer", "@POST /public/a§ok§{}"),
    ("announced_trailer", "@POST /public/a¶trailer = x-forwarded-user¶te = trailers§ok§{}"),
    ("refused", "@GET /closed/a¶{}"),
    ("without_identity", "@GET /admin/a¶{}"),
    ("wrong_key", "@GET /optional/a¶x-api-key = dw_wrong¶{}"),
];

#[test]
fn h1_h2_h5_a_strangers_identity_never_arrives_by_http2() {
    let stage = Stage::set("");
    let (mut sent, mut taken) = (0, 0);
    for name in NAMES {
        let mut connection = stage.http2(&[]);
        for (spelling, line) in spellings(name) {
            for (kind, request) in KINDS {
                let end = connection.ask(&request.replace("{}", &line));
                assert_ne!(end, End::Silence, "{name} {spelling} {kind}");
                sent += 1;
                taken += usize::from(end == End::Answer(200));
                if connection.over {
                    connection = stage.http2(&[]);
                }
            }
        }
        assert_eq!(heard(&stage), None, "{name}");
        stage.forget();
    }
    assert!(taken * 2 > sent, "most are taken and stripped, not refused: {taken} of {sent}");
}

/// Whether the path means something public once the engine has cut its fragment off.
fn harmless(path: &str) -> bool {
    path.split_once('#').is_some_and(|(rest, _)| rest == "/public" || rest.starts_with("/public?") || rest.starts_with("/?"))
}

#[test]
fn p1_p2_no_way_of_writing_a_path_opens_what_is_closed_by_http2() {
    let stage = Stage::set("");
    let mut wrong = Vec::new();
    for path in BYPASSES {
        for more in ["", "¶x-original-url = /public", "¶x-forwarded-uri = /public"] {
            let end = stage.http2(&[]).ask(&format!("@GET {path}{more}"));
            let expected =
                if harmless(path) { end.status() == Some(200) } else { matches!(end.status(), Some(0 | 400 | 401 | 403)) };
            if !expected {
                wrong.push(format!("{path}: {end:?}"));
            }
        }
    }
    let arrived = stage.arrived();
    // The fragment is gone, and what is left of these is `/public`, or has the word in the query.
    let fine = |line: &&str| ["GET /public ", "GET /?", "GET /public?"].iter().any(|start| line.starts_with(start));
    let opened: Vec<&str> = arrived.lines().filter(|line| line.ends_with(" HTTP/1.1")).filter(|line| !fine(line)).collect();
    assert!(opened.is_empty() && wrong.is_empty(), "{opened:?}\n{}", wrong.join("\n"));
}

#[test]
fn p1_the_path_that_was_judged_is_the_path_that_arrives_by_http2() {
    let stage = Stage::set("");
    let mut connection = stage.http2(&[]);
    for path in FORWARDED {
        stage.forget();
        assert_eq!(connection.ask(&format!("@GET {path}")), End::Answer(200), "{path}");
        let arrived = stage.arrived();
        assert_eq!(arrived.lines().next(), Some(format!("GET {path} HTTP/1.1").as_str()));
    }
}

#[test]
fn f8_an_early_refusal_is_not_followed_by_a_reset_while_the_body_comes() {
    let stage = Stage::set("");
    let mut connection = stage.http2_with_patience(&[], Duration::from_secs(5));
    connection.write(&frame(HEADERS, END_HEADERS, 1, &block("@POST /closed/x")));
    assert_eq!(connection.end_of(1), End::Answer(403));
    connection.write(&frame(DATA, END_STREAM, 1, b"a=b"));
    assert_eq!(connection.end_of(1), End::Silence, "the stream has ended on both sides");
}
