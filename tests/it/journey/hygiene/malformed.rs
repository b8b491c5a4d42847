//! Malformed and ambiguous HTTP/1 requests: each is refused with its status, nothing of it reaches the application, and the
//! connection ends.

use super::wire::{Over, Stage, bytes};

/// Threat, expected status, request. `¶` stands for CR LF; characters up to U+00FF are one byte each.
const REFUSED: &[(&str, u16, &str)] = &[
    ("f1_length_and_chunked", 400, "POST / HTTP/1.1¶Host: app.test¶Content-Length: 5¶Transfer-Encoding: chunked¶¶0¶¶"),
    ("f1_chunked_and_length", 400, "POST / HTTP/1.1¶Host: app.test¶Transfer-Encoding: chunked¶Content-Length: 5¶¶0¶¶"),
    ("f1_chunked_and_no_length", 400, "POST / HTTP/1.1¶Host: app.test¶Transfer-Encoding: chunked¶Content-Length: 0¶¶0¶¶"),
    ("f1_underscored_length", 400, "POST / HTTP/1.1¶Host: app.test¶Content_Length: 5¶¶"),
    ("f1_underscored_coding", 400, "POST / HTTP/1.1¶Host: app.test¶Transfer_Encoding: chunked¶¶0¶¶"),
    ("f1_length_and_underscored_coding", 400, "POST / HTTP/1.1¶Host: app.test¶Content-Length: 0¶Transfer_Encoding: chunked¶¶"),
    ("f2_xchunked", 400, "POST / HTTP/1.1¶Host: app.test¶Transfer-Encoding: xchunked¶¶0¶¶"),
    ("f2_cow_chunked", 400, "POST / HTTP/1.1¶Host: app.test¶Transfer-Encoding: cow, chunked¶¶0¶¶"),
    ("f2_gzip_chunked", 400, "POST / HTTP/1.1¶Host: app.test¶Transfer-Encoding: gzip, chunked¶¶0¶¶"),
    ("f2_chunked_identity", 400, "POST / HTTP/1.1¶Host: app.test¶Transfer-Encoding: chunked, identity¶¶0¶¶"),
    ("f2_identity", 400, "POST / HTTP/1.1¶Host: app.test¶Transfer-Encoding: identity¶¶"),
    ("f2_empty", 400, "POST / HTTP/1.1¶Host: app.test¶Transfer-Encoding:¶¶"),
    ("f2_list_of_chunked", 400, "POST / HTTP/1.1¶Host: app.test¶Transfer-Encoding: chunked, chunked¶¶0¶¶"),
    ("f2_chunked_twice", 400, "POST / HTTP/1.1¶Host: app.test¶Transfer-Encoding: chunked¶Transfer-Encoding: chunked¶¶0¶¶"),
    ("f2_hidden_second", 400, "POST / HTTP/1.1¶Host: app.test¶Transfer-Encoding: chunked¶Transfer-encoding: cow¶¶0¶¶"),
    ("f2_vertical_tab", 400, "POST / HTTP/1.1¶Host: app.test¶Transfer-Encoding: \u{b}chunked¶¶0¶¶"),
    ("f2_form_feed", 400, "POST / HTTP/1.1¶Host: app.test¶Transfer-Encoding: chunked\u{c}¶¶0¶¶"),
    ("f2_quoted", 400, "POST / HTTP/1.1¶Host: app.test¶Transfer-Encoding: \"chunked\"¶¶0¶¶"),
    ("f2_parameter", 400, "POST / HTTP/1.1¶Host: app.test¶Transfer-Encoding: chunked;q=1¶¶0¶¶"),
    ("f2_trailing_comma", 400, "POST / HTTP/1.1¶Host: app.test¶Transfer-Encoding: chunked,¶¶0¶¶"),
    ("f2_folded", 400, "POST / HTTP/1.1¶Host: app.test¶Transfer-Encoding:¶ chunked¶¶0¶¶"),
    ("f2_space_before_colon", 400, "POST / HTTP/1.1¶Host: app.test¶Transfer-Encoding : chunked¶¶0¶¶"),
    ("f2_tab_before_colon", 400, "POST / HTTP/1.1¶Host: app.test¶Transfer-Encoding\t: chunked¶¶0¶¶"),
    ("f2_behind_bare_lf", 400, "POST / HTTP/1.1¶Host: app.test\nTransfer-Encoding: chunked¶¶0¶¶"),
    ("f2_in_value_behind_bare_lf", 400, "POST / HTTP/1.1¶Host: app.test¶X: y\nTransfer-Encoding: chunked¶Content-Length: 5¶¶0¶¶"),
    ("f2_non_breaking_space", 400, "POST / HTTP/1.1¶Host: app.test¶Transfer-Encoding: \u{a0}chunked¶¶0¶¶"),
    ("f3_plus", 400, "POST / HTTP/1.1¶Host: app.test¶Content-Length: +5¶¶hello"),
    ("f3_minus", 400, "POST / HTTP/1.1¶Host: app.test¶Content-Length: -1¶¶"),
    ("f3_hexadecimal", 400, "POST / HTTP/1.1¶Host: app.test¶Content-Length: 0x5¶¶hello"),
    ("f3_list_of_equals", 400, "POST / HTTP/1.1¶Host: app.test¶Content-Length: 5, 5¶¶hello"),
    ("f3_list_of_others", 400, "POST / HTTP/1.1¶Host: app.test¶Content-Length: 5, 6¶¶hello"),
    ("f3_twice_equal", 400, "POST / HTTP/1.1¶Host: app.test¶Content-Length: 5¶Content-Length: 5¶¶hello"),
    ("f3_twice_other", 400, "POST / HTTP/1.1¶Host: app.test¶Content-Length: 5¶Content-Length: 6¶¶hello"),
    ("f3_empty", 400, "POST / HTTP/1.1¶Host: app.test¶Content-Length:¶¶"),
    ("f3_decimal_point", 400, "POST / HTTP/1.1¶Host: app.test¶Content-Length: 5.0¶¶hello"),
    ("f3_exponent", 400, "POST / HTTP/1.1¶Host: app.test¶Content-Length: 1e1¶¶hello"),
    ("f3_overflow", 400, "POST / HTTP/1.1¶Host: app.test¶Content-Length: 18446744073709551621¶¶hello"),
    ("f3_beyond_63_bits", 400, "POST / HTTP/1.1¶Host: app.test¶Content-Length: 9223372036854775808¶¶hello"),
    ("f3_inner_space", 400, "POST / HTTP/1.1¶Host: app.test¶Content-Length: 5 5¶¶hello"),
    ("f3_letters_behind", 400, "POST / HTTP/1.1¶Host: app.test¶Content-Length: 5a¶¶hello"),
    ("f3_vertical_tab", 400, "POST / HTTP/1.1¶Host: app.test¶Content-Length: \u{b}5¶¶hello"),
    ("f3_space_before_colon", 400, "POST / HTTP/1.1¶Host: app.test¶Content-Length : 5¶¶hello"),
    ("f3_folded", 400, "POST / HTTP/1.1¶Host: app.test¶Content-Length:¶ 5¶¶hello"),
    ("f4_bare_lf_after_size", 400, "POST / HTTP/1.1¶Host: app.test¶Transfer-Encoding: chunked¶¶5\nhello¶0¶¶"),
    ("f4_bare_lf_after_data", 400, "POST / HTTP/1.1¶Host: app.test¶Transfer-Encoding: chunked¶¶5¶hello\n0¶¶"),
    ("f4_bare_lf_in_extension", 400, "POST / HTTP/1.1¶Host: app.test¶Transfer-Encoding: chunked¶¶5;a\nb¶hello¶0¶¶"),
    ("f4_bare_cr_in_extension", 400, "POST / HTTP/1.1¶Host: app.test¶Transfer-Encoding: chunked¶¶5;a\rb¶hello¶0¶¶"),
    ("f4_data_without_end", 400, "POST / HTTP/1.1¶Host: app.test¶Transfer-Encoding: chunked¶¶5¶helloXX0¶¶"),
    ("f4_data_too_long", 400, "POST / HTTP/1.1¶Host: app.test¶Transfer-Encoding: chunked¶¶3¶hello¶0¶¶"),
    ("f4_no_size", 400, "POST / HTTP/1.1¶Host: app.test¶Transfer-Encoding: chunked¶¶¶hello¶0¶¶"),
    ("f4_size_with_prefix", 400, "POST / HTTP/1.1¶Host: app.test¶Transfer-Encoding: chunked¶¶0x5¶hello¶0¶¶"),
    ("f4_size_with_sign", 400, "POST / HTTP/1.1¶Host: app.test¶Transfer-Encoding: chunked¶¶+5¶hello¶0¶¶"),
    ("f4_size_with_space", 400, "POST / HTTP/1.1¶Host: app.test¶Transfer-Encoding: chunked¶¶5 ¶hello¶0¶¶"),
    ("f4_size_overflow", 400, "POST / HTTP/1.1¶Host: app.test¶Transfer-Encoding: chunked¶¶10000000000000005¶hello¶0¶¶"),
    ("f4_size_of_63_bits", 400, "POST / HTTP/1.1¶Host: app.test¶Transfer-Encoding: chunked¶¶fffffffffffffffe¶hello¶0¶¶"),
    ("f4_bare_lf_at_the_end", 400, "POST / HTTP/1.1¶Host: app.test¶Transfer-Encoding: chunked¶¶5¶hello¶0¶\n"),
    ("f4_bare_lf_in_trailer", 400, "POST / HTTP/1.1¶Host: app.test¶Transfer-Encoding: chunked¶¶0¶a: b\n¶"),
    ("f4_folded_trailer", 400, "POST / HTTP/1.1¶Host: app.test¶Transfer-Encoding: chunked¶¶0¶ a: b¶¶"),
    ("f4_nameless_trailer", 400, "POST / HTTP/1.1¶Host: app.test¶Transfer-Encoding: chunked¶¶0¶: b¶¶"),
    ("f5_chunked_in_1_0", 400, "POST / HTTP/1.0¶Host: app.test¶Transfer-Encoding: chunked¶¶0¶¶"),
    ("f5_chunked_and_length_in_1_0", 400, "POST / HTTP/1.0¶Host: app.test¶Content-Length: 5¶Transfer-Encoding: chunked¶¶0¶¶"),
    (
        "f6_websocket_without_key",
        400,
        "GET / HTTP/1.1¶Host: app.test¶Upgrade: websocket¶Connection: upgrade¶Sec-WebSocket-Version: 13¶¶",
    ),
    (
        "f6_websocket_with_short_key",
        400,
        "GET / HTTP/1.1¶Host: app.test¶Upgrade: websocket¶Connection: upgrade¶Sec-WebSocket-Version: 13¶Sec-WebSocket-Key: abc=¶¶",
    ),
    (
        "f6_websocket_without_version",
        426,
        "GET / HTTP/1.1¶Host: app.test¶Upgrade: websocket¶Connection: upgrade¶Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==¶¶",
    ),
    (
        "f6_websocket_of_old",
        426,
        "GET / HTTP/1.1¶Host: app.test¶Upgrade: websocket¶Connection: upgrade¶Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==¶Sec-WebSocket-Version: 8¶¶",
    ),
    (
        "f6_websocket_without_connection",
        400,
        "GET / HTTP/1.1¶Host: app.test¶Upgrade: websocket¶Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==¶Sec-WebSocket-Version: 13¶¶",
    ),
    (
        "f6_websocket_by_post",
        400,
        "POST / HTTP/1.1¶Host: app.test¶Upgrade: websocket¶Connection: upgrade¶Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==¶Sec-WebSocket-Version: 13¶¶",
    ),
    (
        "f6_websocket_with_body",
        400,
        "GET / HTTP/1.1¶Host: app.test¶Upgrade: websocket¶Connection: upgrade¶Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==¶Sec-WebSocket-Version: 13¶Content-Length: 2¶¶ok",
    ),
    (
        "f6_websocket_in_1_0",
        400,
        "GET / HTTP/1.0¶Host: app.test¶Upgrade: websocket¶Connection: upgrade¶Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==¶Sec-WebSocket-Version: 13¶¶",
    ),
    (
        "f6_websocket_or_h2c",
        400,
        "GET / HTTP/1.1¶Host: app.test¶Upgrade: h2c, websocket¶Connection: upgrade¶Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==¶Sec-WebSocket-Version: 13¶¶",
    ),
    (
        "f6_upgrade_twice",
        400,
        "GET / HTTP/1.1¶Host: app.test¶Upgrade: websocket¶Upgrade: h2c¶Connection: upgrade¶Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==¶Sec-WebSocket-Version: 13¶¶",
    ),
    ("f6_connect", 405, "CONNECT app.test:443 HTTP/1.1¶Host: app.test:443¶¶"),
    ("f8_expectation", 417, "POST / HTTP/1.1¶Host: app.test¶Expect: 200-ok¶Content-Length: 5¶¶hello"),
    ("f8_expectations", 417, "POST / HTTP/1.1¶Host: app.test¶Expect: 100-continue, x¶Content-Length: 5¶¶hello"),
    (
        "f8_expectation_twice",
        400,
        "POST / HTTP/1.1¶Host: app.test¶Expect: 100-continue¶Expect: 100-continue¶Content-Length: 5¶¶hello",
    ),
    ("f12_no_host", 400, "GET / HTTP/1.1¶X: y¶¶"),
    ("f12_no_host_in_1_0", 400, "GET / HTTP/1.0¶¶"),
    ("f12_empty_host", 400, "GET / HTTP/1.1¶Host:¶¶"),
    ("f12_two_hosts", 400, "GET / HTTP/1.1¶Host: app.test¶Host: app.test¶¶"),
    ("f12_two_other_hosts", 400, "GET / HTTP/1.1¶Host: app.test¶host: evil.test¶¶"),
    ("f12_host_list", 400, "GET / HTTP/1.1¶Host: app.test, evil.test¶¶"),
    ("f12_host_with_space", 400, "GET / HTTP/1.1¶Host: app.test evil.test¶¶"),
    ("f12_host_with_user", 400, "GET / HTTP/1.1¶Host: app.test@evil.test¶¶"),
    ("f12_host_with_path", 400, "GET / HTTP/1.1¶Host: app.test/admin¶¶"),
    ("f12_host_with_query", 400, "GET / HTTP/1.1¶Host: app.test?a¶¶"),
    ("f12_host_encoded", 400, "GET / HTTP/1.1¶Host: app%2etest¶¶"),
    ("f12_host_beyond_ascii", 400, "GET / HTTP/1.1¶Host: äpp.test¶¶"),
    ("f12_host_with_two_dots", 400, "GET / HTTP/1.1¶Host: app..test¶¶"),
    ("f12_port_out_of_range", 400, "GET / HTTP/1.1¶Host: app.test:99999¶¶"),
    ("f12_port_of_letters", 400, "GET / HTTP/1.1¶Host: app.test:http¶¶"),
    ("f12_port_empty", 400, "GET / HTTP/1.1¶Host: app.test:¶¶"),
    ("f12_absolute_form_for_another", 400, "GET http://evil.test/ HTTP/1.1¶Host: app.test¶¶"),
    ("f12_absolute_form_without_host", 400, "GET http://app.test/ HTTP/1.1¶X: y¶¶"),
    ("f12_absolute_form_with_user", 400, "GET http://a@app.test/ HTTP/1.1¶Host: app.test¶¶"),
    ("f12_absolute_form_of_ftp", 400, "GET ftp://app.test/ HTTP/1.1¶Host: app.test¶¶"),
    ("f12_authority_form", 400, "GET app.test HTTP/1.1¶Host: app.test¶¶"),
    ("f12_asterisk_by_get", 400, "GET * HTTP/1.1¶Host: app.test¶¶"),
    ("line_bare_lf_everywhere", 400, "GET / HTTP/1.1\nHost: app.test\n\n"),
    ("line_bare_lf_after_request_line", 400, "GET / HTTP/1.1\nHost: app.test¶¶"),
    ("line_bare_lf_at_the_end", 400, "GET / HTTP/1.1¶Host: app.test¶\n"),
    ("line_bare_cr_in_value", 400, "GET / HTTP/1.1¶Host: app.test¶X: a\rb¶¶"),
    ("line_bare_cr_before_name", 400, "GET / HTTP/1.1¶Host: app.test¶\rX: a¶¶"),
    ("line_folded", 400, "GET / HTTP/1.1¶Host: app.test¶X: a¶ b¶¶"),
    ("line_folded_by_tab", 400, "GET / HTTP/1.1¶Host: app.test¶X: a¶\tb¶¶"),
    ("line_folded_first", 400, "GET / HTTP/1.1¶ Host: app.test¶Host: app.test¶¶"),
    ("line_without_colon", 400, "GET / HTTP/1.1¶Host: app.test¶nonsense¶¶"),
    ("line_without_name", 400, "GET / HTTP/1.1¶Host: app.test¶: value¶¶"),
    ("line_space_in_name", 400, "GET / HTTP/1.1¶Host: app.test¶X Y: z¶¶"),
    ("line_space_before_colon", 400, "GET / HTTP/1.1¶Host: app.test¶X : z¶¶"),
    ("line_nul_in_value", 400, "GET / HTTP/1.1¶Host: app.test¶X: a\0b¶¶"),
    ("line_nul_in_name", 400, "GET / HTTP/1.1¶Host: app.test¶X\0Y: b¶¶"),
    ("line_control_in_value", 400, "GET / HTTP/1.1¶Host: app.test¶X: a\u{1}b¶¶"),
    ("line_delete_in_value", 400, "GET / HTTP/1.1¶Host: app.test¶X: a\u{7f}b¶¶"),
    ("line_parenthesis_in_name", 400, "GET / HTTP/1.1¶Host: app.test¶X(Y): b¶¶"),
    ("line_beyond_ascii_in_name", 400, "GET / HTTP/1.1¶Host: app.test¶Xä: b¶¶"),
    ("line_two_empty_first", 400, "¶¶GET / HTTP/1.1¶Host: app.test¶¶"),
    ("start_two_spaces", 400, "GET  / HTTP/1.1¶Host: app.test¶¶"),
    ("start_two_spaces_behind", 400, "GET /  HTTP/1.1¶Host: app.test¶¶"),
    ("start_tab", 400, "GET\t/\tHTTP/1.1¶Host: app.test¶¶"),
    ("start_leading_space", 400, " GET / HTTP/1.1¶Host: app.test¶¶"),
    ("start_trailing_space", 400, "GET / HTTP/1.1 ¶Host: app.test¶¶"),
    ("start_space_in_target", 400, "GET /a b HTTP/1.1¶Host: app.test¶¶"),
    ("start_smuggled_version", 400, "GET / HTTP/1.1 HTTP/1.1¶Host: app.test¶¶"),
    ("start_no_version", 400, "GET /¶¶"),
    ("start_version_0_9", 505, "GET / HTTP/0.9¶Host: app.test¶¶"),
    ("start_version_1_2", 505, "GET / HTTP/1.2¶Host: app.test¶¶"),
    ("start_version_2", 505, "GET / HTTP/2.0¶Host: app.test¶¶"),
    ("start_version_in_lower_case", 505, "GET / http/1.1¶Host: app.test¶¶"),
    ("start_version_11", 505, "GET / HTTP/11¶Host: app.test¶¶"),
    ("start_http2_preface", 505, "PRI * HTTP/2.0¶¶SM¶¶"),
    ("start_no_method", 400, " / HTTP/1.1¶Host: app.test¶¶"),
    ("start_odd_method", 400, "G(T / HTTP/1.1¶Host: app.test¶¶"),
    ("start_unknown_method", 501, "FOO / HTTP/1.1¶Host: app.test¶¶"),
    ("start_method_in_lower_case", 501, "get / HTTP/1.1¶Host: app.test¶¶"),
    ("start_trace", 405, "TRACE / HTTP/1.1¶Host: app.test¶¶"),
    ("start_nothing_but_tls", 400, "\u{16}\u{3}\u{1}\u{2}\0\u{1}\n¶¶"),
    ("p1_control_in_target", 400, "GET /a\u{1} HTTP/1.1¶Host: app.test¶¶"),
    ("p1_tab_in_target", 400, "GET /a\tb HTTP/1.1¶Host: app.test¶¶"),
    ("p1_raw_utf8_in_target", 400, "GET /\u{c3}\u{a4} HTTP/1.1¶Host: app.test¶¶"),
    ("p2_fragment", 400, "GET /a#b HTTP/1.1¶Host: app.test¶¶"),
    ("p2_fragment_in_query", 400, "GET /a?b#c HTTP/1.1¶Host: app.test¶¶"),
    ("p2_quote_in_query", 400, "GET /a?\"b\" HTTP/1.1¶Host: app.test¶¶"),
    ("p2_angle_in_query", 400, "GET /a?<b> HTTP/1.1¶Host: app.test¶¶"),
    ("h5_two_authorizations", 400, "GET / HTTP/1.1¶Host: app.test¶Authorization: Basic YTpi¶Authorization: Basic Yzpk¶¶"),
    ("h5_two_cookie_headers", 400, "GET / HTTP/1.1¶Host: app.test¶Cookie: a=1¶Cookie: b=2¶¶"),
    ("h5_two_content_types", 400, "POST / HTTP/1.1¶Host: app.test¶Content-Type: a/b¶Content-Type: c/d¶Content-Length: 0¶¶"),
];

/// Requests that look odd and are fine: refusing them would break clients.
const TAKEN: &[(&str, &str)] = &[
    ("one_empty_line_first", "¶GET / HTTP/1.1¶Host: app.test¶¶"),
    ("http_1_0", "GET / HTTP/1.0¶Host: app.test¶¶"),
    ("host_in_other_case", "GET / HTTP/1.1¶hOsT: APP.test¶¶"),
    ("host_with_port", "GET / HTTP/1.1¶Host: app.test:8443¶¶"),
    ("no_space_after_colon", "GET / HTTP/1.1¶Host:app.test¶¶"),
    ("tab_around_value", "GET / HTTP/1.1¶Host:\tapp.test\t¶¶"),
    ("empty_value", "GET / HTTP/1.1¶Host: app.test¶X:¶¶"),
    ("latin_1_in_value", "GET / HTTP/1.1¶Host: app.test¶X: ä¶¶"),
    ("coding_in_other_case", "POST / HTTP/1.1¶Host: app.test¶Transfer-Encoding: Chunked¶¶5¶hello¶0¶¶"),
    (
        "chunks_with_extension_and_trailer",
        "POST / HTTP/1.1¶Host: app.test¶Transfer-Encoding: chunked¶¶5;a=\"b\"¶hello¶00¶x-sum: 1¶¶",
    ),
    ("no_body", "POST / HTTP/1.1¶Host: app.test¶Content-Length: 0¶¶"),
    ("body_of_lines", "POST / HTTP/1.1¶Host: app.test¶Content-Length: 8¶¶\n\r\n a\0b "),
    ("query_with_odd_characters", "GET /?a=\\^`{}|[];c=%2f%zz HTTP/1.1¶Host: app.test¶¶"),
    ("absolute_form", "GET http://app.test/a?b HTTP/1.1¶Host: app.test¶¶"),
    ("webdav", "PROPFIND /a HTTP/1.1¶Host: app.test¶Depth: 1¶Content-Length: 0¶¶"),
    ("options_of_the_server", "OPTIONS * HTTP/1.1¶Host: app.test¶¶"),
    (
        "offer_of_h2c",
        "GET / HTTP/1.1¶Host: app.test¶Upgrade: h2c¶HTTP2-Settings: AAMAAABkAAQAAP__¶Connection: Upgrade, HTTP2-Settings¶¶",
    ),
];

fn request(text: &str) -> Vec<u8> {
    bytes(&text.replace('¶', "\r\n"))
}

fn check(over: Over) {
    let stage = Stage::set("");
    let mut wrong = Vec::new();
    for (name, status, text) in REFUSED {
        let reply = stage.send(over, &request(text));
        if reply.status != *status || !reply.closed {
            wrong.push(format!("{name}: {} closed={} {}", reply.status, reply.closed, reply.text));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), REFUSED.len(), wrong.join("\n"));
    assert_eq!(stage.arrived(), "", "nothing of a refused request may arrive");
    for (name, text) in TAKEN {
        stage.forget();
        let reply = stage.send(over, &request(text));
        assert_eq!(reply.status, 200, "{name}: {reply:?}");
        assert_eq!(stage.arrived().matches("HTTP/1.1\r\n").count(), 1, "{name}");
    }
}

#[test]
fn f1_to_f12_malformed_requests_are_refused_and_leave_nothing_behind() {
    assert!(REFUSED.len() >= 80);
    check(Over::Plain);
}

#[test]
fn f1_to_f12_malformed_requests_are_refused_within_tls_too() {
    check(Over::Tls);
}

#[test]
fn f4_a_flaw_in_a_later_part_of_a_body_ends_the_request_at_the_application_too() {
    let stage = Stage::set("");
    let head = request("POST /late HTTP/1.1¶Host: app.test¶Transfer-Encoding: chunked¶¶5¶hello¶");
    for flaw in ["5\nhello\r\n0\r\n\r\n", "g\r\n", "5\r\nhelloGET /admin HTTP/1.1\r\n\r\n", "fffffffffffffffff\r\n"] {
        stage.forget();
        let mut stream = stage.begin(Over::Plain, &head);
        crate::support::eventually("the head arrived", || stage.arrived().contains("hello").then_some(()));
        let reply = stage.go_on(&mut stream, flaw.as_bytes());
        assert_eq!((reply.status, reply.closed), (400, true), "{flaw:?}: {reply:?}");
        let arrived = stage.arrived();
        assert!(!arrived.contains("\r\n0\r\n\r\n") && !arrived.contains("/admin"), "{flaw:?}: {arrived}");
    }
}

#[test]
fn f1_what_follows_a_request_in_the_same_packet_is_never_read_as_another() {
    let stage = Stage::set("");
    let two = request("GET /first HTTP/1.1¶Host: app.test¶¶GET /second HTTP/1.1¶Host: app.test¶¶");
    let reply = stage.send(Over::Plain, &two);
    assert_eq!(reply.status, 200, "{reply:?}");
    assert!(!stage.arrived().contains("/second"));
}

#[test]
fn f7_offers_of_h2c_do_not_arrive() {
    let stage = Stage::set("");
    let offer =
        "GET / HTTP/1.1¶Host: app.test¶Upgrade: h2c¶HTTP2-Settings: AAMAAABkAAQAAP__¶Connection: Upgrade, HTTP2-Settings¶¶";
    assert_eq!(stage.send(Over::Plain, &request(offer)).status, 200);
    let arrived = stage.arrived().to_ascii_lowercase();
    assert!(!arrived.contains("upgrade") && !arrived.contains("http2-settings"), "{arrived}");
}

#[test]
fn f11_a_refused_requests_body_is_not_read_as_the_next_request() {
    let stage = Stage::set("");
    let hidden = "GET /smuggled HTTP/1.1\r\nHost: app.test\r\n\r\n";
    for path in ["/closed/x", "/admin/x"] {
        let refused = request(&format!("POST {path} HTTP/1.1¶Host: app.test¶Content-Length: {}¶¶{hidden}", hidden.len()));
        let reply = stage.send(Over::Plain, &refused);
        assert!(matches!(reply.status, 401 | 403), "{reply:?}");
    }
    assert_eq!(stage.arrived(), "");
}

#[test]
fn d7_oversized_requests_are_refused() {
    let stage = Stage::set("");
    let cases = [
        (431, format!("GET / HTTP/1.1¶Host: app.test¶X: {}¶¶", "a".repeat(40_000))),
        (431, format!("GET / HTTP/1.1¶Host: app.test¶X: {}", "a".repeat(40_000))),
        (431, format!("GET / HTTP/1.1¶Host: app.test¶{}¶", "X: y¶".repeat(120))),
        (431, format!("GET / HTTP/1.1¶Host: app.test¶{}¶", "X: y¶".repeat(400))),
        (414, format!("GET /{} HTTP/1.1¶Host: app.test¶¶", "a".repeat(9000))),
        (431, format!("GET / HTTP/1.1¶Host: app.test¶Cookie: a={}¶¶", "b".repeat(17_000))),
        (431, format!("GET / HTTP/1.1¶Host: app.test¶Cookie: {}¶¶", "a=b; ".repeat(120))),
    ];
    for (status, text) in cases {
        let reply = stage.send(Over::Plain, &request(&text));
        assert_eq!((reply.status, reply.closed), (status, true), "{}", &text[..60]);
    }
    assert_eq!(stage.arrived(), "");
}
