//! oauth2-proxy's command line.
//!
//! Refuses flags that oauth2-proxy does not know, with the one that was probably meant.

use super::known::{ALL, Kind, Known, Part};
use super::settings::{Raw, Saying, Settings};
use super::trouble::{Origin, Troubles, like};

/// Reads the words of a command line; `origin` is where it stands. What comes before the first flag is the program.
pub(super) fn read(words: &[String], origin: &Origin, troubles: &mut Troubles) -> Settings {
    let mut settings = Settings::default();
    let mut words = words.iter().skip_while(|word| !word.starts_with('-')).peekable();
    while let Some(word) = words.next() {
        let Some(flag) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')).filter(|flag| !flag.is_empty()) else {
            troubles.add(origin, format!("`{word}` is not a flag"), "oauth2-proxy takes no other words");
            continue;
        };
        let (name, value) = flag.split_once('=').map_or((flag, None), |(name, value)| (name, Some(value.to_owned())));
        let Some(known) = Known::of_flag(name) else {
            let names = ALL.iter().filter(|known| known.part != Part::Alpha).map(|known| known.flag);
            let in_file = ALL.iter().find(|known| known.file == name);
            let otherwise = in_file.map_or_else(
                || "oauth2-proxy 7.15 has no such flag: see `oauth2-proxy --help`".to_owned(),
                |known| format!("on the command line it is `--{}`", known.flag),
            );
            troubles.add(
                origin,
                format!("unknown flag `--{name}`"),
                like(name, names, &otherwise).replacen("mean `", "mean `--", 1),
            );
            // Its value, if it has one, is not a flag either.
            words.next_if(|next| value.is_none() && !next.starts_with('-'));
            continue;
        };
        let shown = format!("--{name}");
        let raw = match (known.kind, value) {
            (_, Some(value)) => Raw::Text(value),
            (Kind::On | Kind::Off, None) => Raw::Truth(true),
            (_, None) => {
                let Some(value) = words.next() else {
                    troubles.add(origin, format!("`{shown}` has no value"), format!("write `{shown}=…`"));
                    continue;
                };
                Raw::Text(value.clone())
            }
        };
        let saying = Saying { name: &shown, origin: origin.clone(), variable: None };
        settings.say(known, raw, saying, true, troubles);
    }
    settings
}

/// The words of a file that holds a command: a shell script's line, a unit of systemd, or the flags alone.
pub(super) fn words(text: &str) -> Option<Vec<String>> {
    let joined = text.replace("\\\r\n", " ").replace("\\\n", " ");
    let lines = joined.lines().map(str::trim);
    let start = lines.clone().find_map(|line| line.strip_prefix("ExecStart="));
    let command = match start {
        Some(command) => command.to_owned(),
        None => lines.filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join(" "),
    };
    split(&command)
}

/// Words as a shell has them: quotes and backslashes, but no variables. `None` where a quote is not closed.
fn split(text: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => word.get_or_insert_default().push(letters.next()?),
            (None, letter) if letter.is_whitespace() => words.extend(word.take()),
            (_, letter) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_found_in_units_and_scripts() {
        let expected = ["/usr/local/bin/oauth2-proxy", "--provider=oidc", "--banner", "Hello you"];
        for text in [
            "[Service]\nUser=www\nExecStart=/usr/local/bin/oauth2-proxy --provider=oidc --banner 'Hello you'\nRestart=always\n",
            "#!/bin/sh\n/usr/local/bin/oauth2-proxy \\\n  --provider=oidc \\\n  --banner \"Hello you\"\n",
        ] {
            assert_eq!(words(text).unwrap(), expected);
        }
        assert_eq!(words("oauth2-proxy --banner 'open"), None);
    }
}
