//! Tokens of a label selector, as `k8s.io/apimachinery/pkg/labels` reads them.

/// A token; words keep their text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Open,
    Close,
    Comma,
    Not,
    Equals,
    DoubleEquals,
    NotEquals,
    Greater,
    Less,
    Word(String),
    End,
    /// A run of symbols that means nothing.
    Odd(String),
}

impl Token {
    /// The text, for messages.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Open => "(",
            Self::Close => ")",
            Self::Comma => ",",
            Self::Not => "!",
            Self::Equals => "=",
            Self::DoubleEquals => "==",
            Self::NotEquals => "!=",
            Self::Greater => ">",
            Self::Less => "<",
            Self::Word(text) | Self::Odd(text) => text,
            Self::End => "",
        }
    }
}

fn symbol(text: &str) -> Option<Token> {
    Some(match text {
        "(" => Token::Open,
        ")" => Token::Close,
        "," => Token::Comma,
        "!" => Token::Not,
        "=" => Token::Equals,
        "==" => Token::DoubleEquals,
        "!=" => Token::NotEquals,
        ">" => Token::Greater,
        "<" => Token::Less,
        _ => return None,
    })
}

const fn is_symbol(c: char) -> bool {
    matches!(c, '=' | '!' | '(' | ')' | ',' | '>' | '<')
}

const fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// All tokens, the last of them [`Token::End`].
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut made = Vec::new();
    let mut rest = text.trim_start_matches(is_space);
    while let Some(first) = rest.chars().next() {
        let length = if is_symbol(first) { symbol_length(rest) } else { word_length(rest) };
        let (token, tail) = rest.split_at(length);
        made.push(match symbol(token) {
            Some(known) => known,
            None if is_symbol(first) => Token::Odd(token.to_owned()),
            None => Token::Word(token.to_owned()),
        });
        rest = tail.trim_start_matches(is_space);
    }
    made.push(Token::End);
    made
}

fn word_length(text: &str) -> usize {
    text.find(|c| is_symbol(c) || is_space(c)).unwrap_or(text.len())
}

/// The longest run of symbols that still is a token; the whole run where none is.
fn symbol_length(text: &str) -> usize {
    let token = (1..=2).rev().find(|n| text.get(..*n).is_some_and(|start| symbol(start).is_some()));
    // Only where none is: a run that is looked through for each of its symbols costs its square.
    token.unwrap_or_else(|| text.find(|c| !is_symbol(c)).unwrap_or(text.len()))
}
