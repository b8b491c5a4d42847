//! Takes a signed message to pieces and puts it together otherwise, as bytes say: for the property test here and the fuzz target.
//!
//! Refuses nothing; what comes out is what a stranger could send who has seen one good message.

/// What the good messages say, and what every lie in a scrambled one says instead.
pub(super) const GOOD: &str = "ada@acme.example";
const LIE: &str = "eve@acme.example";

/// Most changes to one message.
const MOST: usize = 12;
/// Characters of a message that is still changed.
const LONGEST: usize = 200_000;

/// Reads choices out of bytes.
struct Choices<'b>(&'b [u8]);

impl Choices<'_> {
    fn next(&mut self) -> Option<usize> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(usize::from(*first))
    }

    /// One of `all`.
    fn of<T: Clone>(&mut self, all: &[T]) -> Option<T> {
        let at = self.next()?.checked_rem(all.len())?;
        all.get(at).cloned()
    }
}

/// One of `seeds`, changed as `bytes` say.
pub(super) fn scramble(seeds: &[&str], bytes: &[u8]) -> String {
    let mut choices = Choices(bytes);
    let mut text = choices.of(seeds).unwrap_or_default().to_owned();
    for _ in 0..MOST {
        if text.len() > LONGEST {
            break;
        }
        match change(&text, seeds, &mut choices) {
            Some(changed) => text = changed,
            None => break,
        }
    }
    text
}

fn change(text: &str, seeds: &[&str], choices: &mut Choices<'_>) -> Option<String> {
    let kind = choices.next()? % 12;
    let elements = elements(text);
    let (begin, end) = choices.of(&elements)?;
    let (other, other_end) = choices.of(&elements)?;
    let piece = &text[begin..end];
    let put = |at: usize, piece: &str| format!("{}{piece}{}", &text[..at], &text[at..]);
    let replace = |piece: &str| format!("{}{piece}{}", &text[..begin], &text[end..]);
    Some(match kind {
        0 => put(inside(text, other, other_end), piece),
        1 => put(other, piece),
        2 => put(other, &lie(piece)),
        3 => put(inside(text, other, other_end), &lie(piece)),
        4 => replace(&lie(piece)),
        5 => replace(""),
        6 => replace(&wrap(piece, choices)?),
        7 => replace(&rename(piece, text, choices)?),
        8 => put(inside(text, begin, end), &strange(choices)?),
        9 => text.replacen(GOOD, LIE, 1),
        10 => {
            // A piece of another good message.
            let seed = choices.of(seeds)?;
            let (from, to) = choices.of(&self::elements(seed))?;
            put(other, &seed[from..to])
        }
        _ => {
            let name = text[begin..].find([' ', '>', '/'])? + begin;
            put(name, &declaration(choices)?)
        }
    })
}

/// Where elements begin and end, found by their tags alone.
fn elements(text: &str) -> Vec<(usize, usize)> {
    let mut open = Vec::new();
    let mut found = Vec::new();
    for (at, _) in text.match_indices('<') {
        let Some(length) = text[at..].find('>') else { break };
        let end = at + length + 1;
        match &text[at..end] {
            tag if tag.starts_with("</") => {
                if let Some(begin) = open.pop() {
                    found.push((begin, end));
                }
            }
            tag if tag.starts_with("<!") || tag.starts_with("<?") => {}
            tag if tag.ends_with("/>") => found.push((at, end)),
            _ => open.push(at),
        }
    }
    found
}

/// The last place within an element.
fn inside(text: &str, begin: usize, end: usize) -> usize {
    text[begin..end].rfind("</").map_or(end, |at| begin + at)
}

fn lie(piece: &str) -> String {
    piece.replace(GOOD, LIE).replace("ID=\"_", "ID=\"_x")
}

fn wrap(piece: &str, choices: &mut Choices<'_>) -> Option<String> {
    let name = choices.of(&[
        "samlp:Extensions",
        "saml:Advice",
        "ds:Object",
        "samlp:Response",
        "saml:Assertion",
        "saml:EncryptedAssertion",
        "x",
    ])?;
    Some(format!(
        "<{name} xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" \
         xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">{piece}</{name}>"
    ))
}

/// The piece with another id, of those that the message holds.
fn rename(piece: &str, text: &str, choices: &mut Choices<'_>) -> Option<String> {
    let ids: Vec<&str> = text.split("ID=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let id = choices.of(&ids)?;
    let at = piece.find("ID=\"")? + 4;
    let end = at + piece[at..].find('"')?;
    let attribute = choices.of(&["ID=\"", "Id=\"", "id=\"", "AssertionID=\"", "xml:id=\""])?;
    Some(format!("{}{attribute}{id}{}", &piece[..at - 4], &piece[end..]))
}

fn strange(choices: &mut Choices<'_>) -> Option<String> {
    let all =
        ["<!-- -->", "<?x y?>", "<![CDATA[x]]>", "&amp;", "&#10;", "&x;", " ", "<x/>", "<!-- --", "]]>", "\u{0}", "\u{feff}"];
    choices.of(&all).map(str::to_owned)
}

fn declaration(choices: &mut Choices<'_>) -> Option<String> {
    let all = [
        " xmlns=\"urn:oasis:names:tc:SAML:2.0:assertion\"",
        " xmlns:saml=\"urn:x\"",
        " xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:assertion\"",
        " xmlns:ds=\"urn:x\"",
        " xmlns:x=\"urn:x\" x:ID=\"_assertion\"",
        " Version=\"2.0\"",
        " xmlns:xml=\"http://www.w3.org/XML/1998/namespace\"",
        " ID=\"_response\"",
    ];
    choices.of(&all).map(str::to_owned)
}
