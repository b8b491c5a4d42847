//! The published attacks on SAML, each beside a good twin that is taken.
//!
//! Refuses to count a refusal for another reason than the attack's own.

use std::time::{Duration, Instant};

use super::forge::{ACS, Draft, Forge, NOW, SHA1, SHA256, template, template_with};

const GCM: &str = "http://www.w3.org/2009/xmlenc11#aes256-gcm";
const CBC: &str = "http://www.w3.org/2001/04/xmlenc#aes256-cbc";

/// The same response about somebody else.
fn evil() -> Draft {
    Draft { name_id: "admin@acme.example".to_owned(), assertion_id: "_evil".to_owned(), ..Draft::default() }
}

/// The signature within `signed`.
fn signature(signed: &str) -> &str {
    let begin = signed.find("<ds:Signature ").unwrap();
    let end = signed.find("</ds:Signature>").unwrap() + "</ds:Signature>".len();
    &signed[begin..end]
}

/// `signed` without its signature.
fn bare(signed: &str) -> String {
    signed.replacen(signature(signed), "", 1)
}

/// `text` with `inner` before its last end tag.
fn within(text: &str, inner: &str) -> String {
    let at = text.rfind("</").unwrap();
    format!("{}{inner}{}", &text[..at], &text[at..])
}

#[test]
fn good_responses_are_taken_however_they_are_signed() {
    let Some(forge) = Forge::get() else { return };
    let draft = Draft::default();
    let both =
        forge.sign(&draft.response(&template("_response", SHA256), &forge.assertion(&draft, "idp", SHA256)), "_response", "idp");
    let sealed = |cipher, key| draft.response("", &forge.encrypt(&forge.assertion(&draft, "idp", SHA256), cipher, key));
    let sealed_in_signed = |cipher, key| {
        let text = draft.response(&template("_response", SHA256), &forge.encrypt(&draft.assertion(""), cipher, key));
        forge.sign(&text, "_response", "idp")
    };
    let good = [
        ("assertion", forge.signed_assertion(&draft)),
        ("response", forge.signed_response(&draft)),
        ("both", both),
        ("next key", draft.response("", &forge.assertion(&draft, "next", SHA256))),
        (
            "sha512",
            draft.response(
                "",
                &forge.assertion(
                    &draft,
                    "idp",
                    ("http://www.w3.org/2001/04/xmldsig-more#rsa-sha512", "http://www.w3.org/2001/04/xmlenc#sha512"),
                ),
            ),
        ),
        ("gcm", sealed(GCM, "aes-256")),
        ("gcm 128", sealed("http://www.w3.org/2009/xmlenc11#aes128-gcm", "aes-128")),
        ("cbc", sealed(CBC, "aes-256")),
        ("gcm in signed response", sealed_in_signed(GCM, "aes-256")),
        ("cbc in signed response", sealed_in_signed(CBC, "aes-256")),
    ];
    for (name, text) in good {
        let judged = forge.judge(&text).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        assert_eq!(judged.assertion.name_id.value, "ada@acme.example", "{name}");
        assert_eq!(judged.assertion.attributes[0].values, ["staff"], "{name}");
        assert_eq!(judged.authentication.session_index.as_deref(), Some("_session"), "{name}");
    }
}

/// The shapes of Somorovsky et al., "On Breaking SAML: Be Whoever You Want to Be" (2012), and the places published since.
fn wrapped_responses(forge: &Forge) -> Vec<(&'static str, String)> {
    let signed = forge.signed_response(&Draft::default());
    let forged = evil().response("", &evil().assertion("")).replace("_response", "_forged");
    let (proof, original) = (signature(&signed).to_owned(), bare(&signed));
    let holding = |inner: &str| proof.replacen("</ds:Signature>", &format!("<ds:Object>{inner}</ds:Object></ds:Signature>"), 1);
    let extensions = |inner: &str| format!("<samlp:Extensions>{inner}</samlp:Extensions>");
    vec![
        // XSW1: the signature moves to the forged response and takes the original in as its object.
        ("xsw1", within(&forged, &holding(&original))),
        // XSW2: the original beside the signature in the forged response.
        ("xsw2", within(&forged, &format!("{proof}{original}"))),
        ("original in extensions", within(&forged, &extensions(&signed))),
        (
            "original in the forged status",
            forged.replacen("</samlp:Status>", &format!("<samlp:StatusDetail>{signed}</samlp:StatusDetail></samlp:Status>"), 1),
        ),
        ("forged assertion added", within(&signed, &evil().assertion(""))),
        ("forged first", signed.replacen("<saml:Assertion", &format!("{}<saml:Assertion", evil().assertion("")), 1)),
    ]
}

fn wrapped_assertions(forge: &Forge) -> Vec<(&'static str, String)> {
    let signed = forge.assertion(&Draft::default(), "idp", SHA256);
    let (proof, original) = (signature(&signed).to_owned(), bare(&signed));
    let forged = evil().assertion("");
    let around = |inner: String| Draft::default().response("", &inner);
    let holding = |inner: &str| proof.replacen("</ds:Signature>", &format!("<ds:Object>{inner}</ds:Object></ds:Signature>"), 1);
    let same_id = |text: &str| text.replace("_evil", "_assertion");
    vec![
        // XSW3 and XSW4: the forged assertion before, and around, the original.
        ("xsw3", around(format!("{forged}{signed}"))),
        ("xsw4", around(within(&forged, &signed))),
        // XSW5: the forged one carries the signature; the original stands behind without it.
        ("xsw5", around(format!("{}{original}", evil().assertion(&proof)))),
        // XSW6: as XSW5, but the original is in the signature.
        ("xsw6", around(evil().assertion(&holding(&original)))),
        // XSW7: the forged one hides in extensions, under the same id; XSW8: the original is the object of the forged one's signature.
        ("xsw7", around(format!("<samlp:Extensions>{}</samlp:Extensions>{signed}", same_id(&forged)))),
        ("xsw8", around(same_id(&evil().assertion(&holding(&original))))),
        ("advice", around(within(&forged, &format!("<saml:Advice>{signed}</saml:Advice>")))),
        (
            "advice in the original",
            around(signed.replacen(
                "<saml:AuthnStatement",
                &format!("<saml:Advice>{forged}</saml:Advice><saml:AuthnStatement"),
                1,
            )),
        ),
        ("moved", around(format!("<samlp:Extensions>{signed}</samlp:Extensions>{forged}"))),
        ("attribute", around(forged.replacen("staff", &signed, 1))),
        ("same id", around(format!("{}{signed}", same_id(&forged)))),
        ("signature alone", around(evil().assertion(&proof))),
        ("signature in the response", Draft::default().response(&proof, &forged)),
        ("encrypted beside", around(format!("{signed}{}", forge.encrypt(&forged, GCM, "aes-256")))),
    ]
}

#[test]
fn s1_signature_wrapping_is_refused_in_every_shape() {
    let Some(forge) = Forge::get() else { return };
    let reasons: Vec<_> = wrapped_responses(forge)
        .iter()
        .chain(&wrapped_assertions(forge))
        .map(|(name, text)| format!("{name}: {}", forge.reason(text)))
        .collect();
    insta::assert_snapshot!(reasons.join("\n"));
}

#[test]
fn s1_signature_wrapping_is_refused_inside_encryption() {
    let Some(forge) = Forge::get() else { return };
    let mut reasons = Vec::new();
    for (name, text) in wrapped_assertions(forge) {
        // What stands between status and end goes into the sealed part, whatever it is.
        let begin = text.find("</samlp:Status>").unwrap() + "</samlp:Status>".len();
        let inner = &text[begin..text.rfind("</samlp:Response>").unwrap()];
        if name == "encrypted beside" || name == "signature in the response" {
            continue;
        }
        let sealed = forge.encrypt(inner, GCM, "aes-256");
        reasons.push(format!("{name}: {}", forge.reason(&Draft::default().response("", &sealed))));
    }
    let signed = forge.assertion(&Draft::default(), "idp", SHA256);
    for (name, inner) in [
        ("sealed original, plain forged", format!("{}{}", evil().assertion(""), forge.encrypt(&signed, GCM, "aes-256"))),
        (
            "two sealed",
            format!("{}{}", forge.encrypt(&evil().assertion(""), GCM, "aes-256"), forge.encrypt(&signed, GCM, "aes-256")),
        ),
        ("sealed and unsigned", forge.encrypt(&evil().assertion(""), GCM, "aes-256")),
        ("sealed and unsigned, unauthenticated", forge.encrypt(&evil().assertion(""), CBC, "aes-256")),
        ("sealed by a stranger's signature", forge.encrypt(&forge.assertion(&evil(), "mallory", SHA256), GCM, "aes-256")),
    ] {
        reasons.push(format!("{name}: {}", forge.reason(&Draft::default().response("", &inner))));
    }
    // XSW1 and XSW2 with what is sealed: the forged response holds a sealed assertion, and the signed original beside it or in its proof.
    let forged = evil().response("", &forge.encrypt(&evil().assertion(""), GCM, "aes-256")).replace("_response", "_forged");
    let original = forge.signed_response(&Draft::default());
    let proof = signature(&original).to_owned();
    let held = proof.replacen("</ds:Signature>", &format!("<ds:Object>{}</ds:Object></ds:Signature>", bare(&original)), 1);
    for (name, inner) in [("xsw1, sealed", held), ("xsw2, sealed", format!("{proof}{}", bare(&original)))] {
        reasons.push(format!("{name}: {}", forge.reason(&within(&forged, &inner))));
    }
    // The same where the original's own assertion is sealed, so that the forged response holds two sealed ones.
    let draft = Draft::default();
    let text = draft.response(&template("_response", SHA256), &forge.encrypt(&draft.assertion(""), GCM, "aes-256"));
    let original = forge.sign(&text, "_response", "idp");
    let proof = signature(&original).to_owned();
    let held = proof.replacen("</ds:Signature>", &format!("<ds:Object>{}</ds:Object></ds:Signature>", bare(&original)), 1);
    for (name, inner) in [("xsw1, both sealed", held), ("xsw2, both sealed", format!("{proof}{}", bare(&original)))] {
        reasons.push(format!("{name}: {}", forge.reason(&within(&forged, &inner))));
    }
    // The original's proof alone, in a forged response with a sealed assertion.
    reasons.push(format!("signature alone, sealed: {}", forge.reason(&within(&forged, &proof))));
    let id = evil().response(&proof, &forge.encrypt(&evil().assertion(""), GCM, "aes-256"));
    reasons.push(format!("signature in the response, sealed: {}", forge.reason(&id)));
    // The response was signed around another sealed part.
    let draft = Draft::default();
    let text = draft.response(&template("_response", SHA256), &forge.encrypt(&draft.assertion(""), GCM, "aes-256"));
    let swapped = forge.sign(&text, "_response", "idp");
    let begin = swapped.find("<saml:EncryptedAssertion>").unwrap();
    let end = swapped.find("</saml:EncryptedAssertion>").unwrap() + "</saml:EncryptedAssertion>".len();
    let swapped = swapped.replacen(&swapped[begin..end], &forge.encrypt(&evil().assertion(""), GCM, "aes-256"), 1);
    reasons.push(format!("sealed part swapped: {}", forge.reason(&swapped)));
    insta::assert_snapshot!(reasons.join("\n"));
}

#[test]
fn s6_a_comment_cuts_no_name() {
    let Some(forge) = Forge::get() else { return };
    let commented = |name: &str| forge.signed_assertion(&Draft { name_id: name.to_owned(), ..Draft::default() });
    let name = |text: &str| forge.judge(text).unwrap().assertion.name_id.value;
    assert_eq!(name(&commented("admin@acme.example<!-- -->.evil.example")), "admin@acme.example.evil.example");
    let later = commented("admin@acme.example.evil.example").replace("acme.example.evil", "acme.example<!-- -->.evil");
    assert_eq!(name(&later), "admin@acme.example.evil.example", "put in after signing");
    assert_eq!(name(&commented("admin@acme.example<![CDATA[.evil.example]]>")), "admin@acme.example.evil.example");
    assert_eq!(forge.reason(&commented("admin@acme.example<b>.evil.example</b>")), "saml_name_id");
}

#[test]
fn s2_s11_a_message_with_two_readings_or_without_end_is_refused_at_once() {
    let Some(forge) = Forge::get() else { return };
    let good = forge.signed_assertion(&Draft::default());
    let entities = |declared: &str, used: &str| format!("<!DOCTYPE r [{declared}]>{}", good.replace("ada@acme.example", used));
    let lol: Vec<_> = (1..12).map(|n| format!(r#"<!ENTITY l{n} "{}">"#, format!("&l{};", n - 1).repeat(10))).collect();
    let deep = |levels: usize| {
        within(&good, &format!("<samlp:Extensions>{}{}</samlp:Extensions>", "<a>".repeat(levels), "</a>".repeat(levels)))
    };
    let many = (0..100).map(|n| format!(r#" a{n}="x""#)).collect::<Vec<_>>().concat();
    let spaces = (0..100).map(|n| format!(r#" xmlns:n{n}="urn:{n}""#)).collect::<Vec<_>>().concat();
    let cases = [
        ("xxe", entities(r#"<!ENTITY x SYSTEM "file:///etc/passwd">"#, "&x;"), "saml_document_type"),
        (
            "external subset",
            good.replacen("<samlp", r#"<!DOCTYPE r SYSTEM "http://127.0.0.1/x.dtd"><samlp"#, 1),
            "saml_document_type",
        ),
        ("parameter entity", entities(r#"<!ENTITY % x SYSTEM "http://127.0.0.1/"> %x;"#, "x"), "saml_document_type"),
        ("billion laughs", entities(&format!(r#"<!ENTITY l0 "lol">{}"#, lol.concat()), "&l11;"), "saml_document_type"),
        ("undeclared entity", good.replace("ada@acme.example", "&x;"), "saml_malformed"),
        ("default attribute", entities(r#"<!ATTLIST x ID CDATA "_response">"#, "x"), "saml_document_type"),
        ("processing instruction", good.replace("<saml:Subject>", "<?cut here?><saml:Subject>"), "saml_processing_instruction"),
        ("depth", deep(60), "saml_malformed"),
        ("attributes", within(&good, &format!("<samlp:Extensions{many}/>")), "saml_too_complex"),
        ("namespaces", within(&good, &format!("<samlp:Extensions{spaces}/>")), "saml_too_complex"),
        ("nodes", within(&good, &"<a/>".repeat(30_000)), "saml_too_complex"),
        ("size", within(&good, &" ".repeat(300_000)), "saml_too_large"),
        ("two roots", format!("{good}{good}"), "saml_malformed"),
        (
            "foreign id",
            good.replacen(r#"ID="_assertion""#, r#"ID="_assertion" x:ID="_other" xmlns:x="urn:x""#, 1),
            "saml_ambiguous_id",
        ),
        ("duplicate id", within(&good, r#"<samlp:Extensions ID="_assertion"/>"#), "saml_duplicate_id"),
        (
            "namespace confusion",
            good.replace("urn:oasis:names:tc:SAML:2.0:assertion", "urn:oasis:names:tc:SAML:2.0:assertion "),
            "saml_assertion_count",
        ),
    ];
    for (name, text, reason) in cases {
        let begun = Instant::now();
        assert_eq!(forge.reason(&text), reason, "{name}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{name} took {:?}", begun.elapsed());
    }
    assert!(forge.judge(&deep(20)).is_ok(), "what is bounded is taken");
}

#[test]
fn s3_s4_s5_signatures_of_another_kind_are_refused() {
    let Some(forge) = Forge::get() else { return };
    let draft = Draft::default();
    let around = |assertion: &str| draft.response("", assertion);
    let good = forge.signed_assertion(&draft);
    let xpath = r#"<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116"><ds:XPath>not(ancestor-or-self::saml:Subject)</ds:XPath></ds:Transform><ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>"#;
    let xpath = forge.sign(&draft.assertion(&template_with("_assertion", SHA256.0, SHA256.1, xpath)), "_assertion", "idp");
    let hmac = good.replacen(SHA256.0, "http://www.w3.org/2000/09/xmldsig#hmac-sha256", 1);
    let digest = good.find("<ds:DigestValue>").unwrap() + "<ds:DigestValue>".len();
    let mut commented = good.clone();
    commented.insert_str(digest, "<!-- 3 -->");
    let info = &good[good.find("<ds:SignedInfo>").unwrap()..good.find("</ds:SignedInfo>").unwrap() + "</ds:SignedInfo>".len()];
    let reference = &good[good.find("<ds:Reference").unwrap()..good.find("</ds:Reference>").unwrap() + "</ds:Reference>".len()];
    let cases = [
        ("sha1", around(&forge.assertion(&draft, "idp", SHA1)), "saml_sha1"),
        ("another key, with its certificate", around(&forge.assertion(&draft, "mallory", SHA256)), "saml_untrusted_key"),
        ("hmac with the public key", hmac, "saml_algorithm"),
        (
            "hmac of xmldsig-more",
            good.replacen(SHA256.0, "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256", 1),
            "saml_algorithm",
        ),
        ("none", good.replacen(SHA256.0, "none", 1), "saml_algorithm"),
        ("md5 digest", good.replacen(SHA256.1, "http://www.w3.org/2001/04/xmldsig-more#md5", 1), "saml_algorithm"),
        ("xpath", around(&xpath), "saml_algorithm"),
        ("no signature", around(&draft.assertion("")), "saml_unsigned"),
        ("signature removed", bare(&good), "saml_unsigned"),
        ("tampered", good.replacen("ada@", "adb@", 1), "saml_signature_invalid"),
        ("tampered value", good.replacen("<ds:SignatureValue>", "<ds:SignatureValue>AAAA", 1), "saml_signature_invalid"),
        ("comment in the digest", commented, "saml_signature_shape"),
        ("two signed infos", good.replacen(info, &format!("{info}{info}"), 1), "saml_signature_shape"),
        ("two references", good.replacen(reference, &format!("{reference}{reference}"), 1), "saml_signature_shape"),
        ("no reference", good.replacen(reference, "", 1), "saml_signature_shape"),
        ("the whole document", good.replacen(r##"URI="#_assertion""##, r#"URI="""#, 1), "saml_foreign_reference"),
        ("another element", good.replacen(r##"URI="#_assertion""##, r##"URI="#_response""##, 1), "saml_foreign_reference"),
        ("a file", good.replacen(r##"URI="#_assertion""##, r#"URI="file:///etc/passwd""#, 1), "saml_foreign_reference"),
        (
            "inclusive canonicalization",
            good.replacen("http://www.w3.org/2001/10/xml-exc-c14n#", "http://www.w3.org/TR/2001/REC-xml-c14n-20010315", 1),
            "saml_algorithm",
        ),
        (
            "retrieval method",
            good.replacen("<ds:X509Data>", r#"<ds:RetrievalMethod URI="http://127.0.0.1/"/><ds:X509Data>"#, 1),
            "saml_signature_shape",
        ),
    ];
    for (name, text, reason) in cases {
        assert_eq!(forge.reason(&text), reason, "{name}");
    }
    let relaxed = forge.judge_as(&good, |expected| expected.signed_response = true);
    assert_eq!(relaxed.unwrap_err().reason(), "saml_response_unsigned");
    let relaxed = forge.judge_as(&forge.signed_response(&draft), |expected| expected.signed_assertion = true);
    assert_eq!(relaxed.unwrap_err().reason(), "saml_assertion_unsigned");
}

#[test]
fn s8_an_assertion_holds_for_one_service_one_request_and_one_time() {
    let Some(forge) = Forge::get() else { return };
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    let cases: [(&str, Draft, &str); 12] = [
        ("audience", Draft { audience: "https://other.example".to_owned(), ..Draft::default() }, "saml_audience"),
        ("audience by prefix", Draft { audience: format!("{}x", super::forge::SP), ..Draft::default() }, "saml_audience"),
        ("recipient", Draft { recipient: "https://other.example/acs".to_owned(), ..Draft::default() }, "saml_recipient"),
        ("destination", Draft { destination: "https://other.example/acs".to_owned(), ..Draft::default() }, "saml_destination"),
        ("destination in another case", Draft { destination: ACS.to_uppercase(), ..Draft::default() }, "saml_destination"),
        ("no destination though signed", Draft { destination: String::new(), ..Draft::default() }, "saml_destination_missing"),
        ("issuer", Draft { issuer: "https://evil.example/metadata".to_owned(), ..Draft::default() }, "saml_issuer"),
        ("another request", Draft { in_response_to: Some("_another".to_owned()), ..Draft::default() }, "saml_in_response_to"),
        ("no request", Draft { in_response_to: None, ..Draft::default() }, "saml_unsolicited"),
        (
            "expired",
            Draft { not_on_or_after: NOW.before(minutes(2)), not_before: NOW.before(minutes(9)), ..Draft::default() },
            "saml_expired",
        ),
        (
            "expired at the skew",
            Draft { not_on_or_after: NOW.before(minutes(1)), not_before: NOW.before(minutes(9)), ..Draft::default() },
            "saml_expired",
        ),
        ("not yet valid", Draft { not_before: NOW.after(minutes(2)), ..Draft::default() }, "saml_not_yet_valid"),
    ];
    for (name, draft, reason) in cases {
        assert_eq!(forge.reason(&forge.signed_response(&draft)), reason, "{name}");
    }
    let nearly =
        Draft { not_on_or_after: NOW.before(Duration::from_secs(59)), not_before: NOW.before(minutes(9)), ..Draft::default() };
    assert!(forge.judge(&forge.signed_response(&nearly)).is_ok(), "within the skew");
    let nearly = Draft { not_before: NOW.after(minutes(1)), ..Draft::default() };
    assert!(forge.judge(&forge.signed_response(&nearly)).is_ok(), "within the skew");
    let unsolicited = Draft { in_response_to: None, ..Draft::default() };
    let taken = forge.judge_as(&forge.signed_response(&unsolicited), |expected| expected.request = None);
    assert!(taken.is_ok(), "from the provider's side, where that is allowed: {taken:?}");
    let answer = forge.judge_as(&forge.signed_response(&Draft::default()), |expected| expected.request = None);
    assert_eq!(answer.unwrap_err().reason(), "saml_in_response_to", "an answer is not unsolicited");
}

#[test]
fn what_an_assertion_leaves_out_is_not_taken_for_granted() {
    let Some(forge) = Forge::get() else { return };
    let draft = Draft::default();
    let without = |cut: &str, end: &str| {
        let assertion = draft.assertion(&template("_assertion", SHA256));
        let begin = assertion.find(cut).unwrap();
        let stop = begin + assertion[begin..].find(end).unwrap() + end.len();
        let assertion = format!("{}{}", &assertion[..begin], &assertion[stop..]);
        forge.sign(&draft.response("", &assertion), "_assertion", "idp")
    };
    for (cut, end, reason) in [
        ("<saml:Conditions", "</saml:Conditions>", "saml_conditions_missing"),
        ("<saml:AudienceRestriction", "</saml:AudienceRestriction>", "saml_audience_missing"),
        ("<saml:AuthnStatement", "</saml:AuthnStatement>", "saml_authn_statement_missing"),
        ("<saml:SubjectConfirmation ", "</saml:SubjectConfirmation>", "saml_no_bearer"),
        ("<saml:SubjectConfirmationData", "/>", "saml_recipient"),
        ("<saml:NameID", "</saml:NameID>", "saml_name_id"),
        ("<saml:Subject>", "</saml:Subject>", "saml_subject_missing"),
        ("<saml:Issuer>", "</saml:Issuer>", "saml_issuer_missing"),
        (" Version=", "\"2.0\"", "saml_version"),
    ] {
        assert_eq!(forge.reason(&without(cut, end)), reason, "{cut}");
    }
    let changed = |from: &str, to: &str| {
        let text = draft.response("", &draft.assertion(&template("_assertion", SHA256))).replace(from, to);
        forge.reason(&forge.sign(&text, "_assertion", "idp"))
    };
    assert_eq!(changed("cm:bearer", "cm:holder-of-key"), "saml_no_bearer");
    assert_eq!(
        changed(
            "<saml:AudienceRestriction>",
            r#"<saml:Condition xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="x"/><saml:AudienceRestriction>"#
        ),
        "saml_unknown_condition"
    );
    assert_eq!(changed(" NotOnOrAfter=\"", " NotOnOrAfter=\"x"), "saml_time");
    assert_eq!(changed("status:Success", "status:Responder"), "saml_status");
    assert_eq!(changed("SessionIndex=", r#"SessionNotOnOrAfter="2020-01-01T00:00:00Z" SessionIndex="#), "saml_session_ended");
    assert_eq!(changed("<saml:NameID ", r#"<saml:NameID SPNameQualifier="https://other.example" "#), "saml_name_qualifier");
}

#[test]
fn s12_decryption_says_nothing_of_what_went_wrong() {
    let Some(forge) = Forge::get() else { return };
    let draft = Draft::default();
    let signed = forge.assertion(&draft, "idp", SHA256);
    for cipher in [CBC, GCM] {
        let good = draft.response("", &forge.encrypt(&signed, cipher, "aes-256"));
        let at = good.rfind("<xenc:CipherValue>").unwrap() + "<xenc:CipherValue>".len();
        for offset in [0, 40, 400, 900] {
            let mut broken = good.clone();
            let letter = if &broken[at + offset..=at + offset] == "A" { "B" } else { "A" };
            broken.replace_range(at + offset..=at + offset, letter);
            assert_eq!(forge.reason(&broken), "saml_undecryptable", "{cipher} {offset}");
        }
        assert_eq!(forge.reason(&good.replace("rsa-oaep-mgf1p", "rsa-1_5")), "saml_encryption_algorithm");
    }
    let des = draft.response("", &forge.encrypt(&signed, CBC, "aes-256").replace("aes256-cbc", "tripledes-cbc"));
    assert_eq!(forge.reason(&des), "saml_encryption_algorithm");
}
