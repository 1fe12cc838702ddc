//! Requests that two readers could understand in two ways.

/// Whom they are for.
const READER: &str = "reader.localhost:8080";

/// A request that would be answered with 404, were it found in the body of another.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: reader.localhost:8080\r\n\r\n";

/// What is ambiguous, and the request with it.
pub(crate) fn ambiguous() -> Vec<(&'static str, String)> {
    let post = |fields: &str, body: &str| {
        format!("POST /auth/v1/otp HTTP/1.1\r\nHost: {READER}\r\n{fields}\r\n\r\n{body}")
    };
    let length = HIDDEN.len();
    let chunked = format!("0\r\n\r\n{HIDDEN}");
    let both = format!("Content-Length: {}\r\nTransfer-Encoding: chunked", chunked.len());
    let turned = format!("Transfer-Encoding: chunked\r\nContent-Length: {}", chunked.len());
    vec![
        ("a length and chunks", post(&both, &chunked)),
        ("chunks and a length", post(&turned, &chunked)),
        ("two lengths", post(&format!("Content-Length: 0\r\nContent-Length: {length}"), HIDDEN)),
        ("the same length twice", post("Content-Length: 0\r\nContent-Length: 0", "")),
        ("lengths in a list", post("Content-Length: 0, 0", "")),
        ("a length with a sign", post("Content-Length: +0", "")),
        ("an unknown coding", post("Transfer-Encoding: xchunked", &chunked)),
        ("chunks inside chunks", post("Transfer-Encoding: chunked, chunked", &chunked)),
        ("chunks that are not last", post("Transfer-Encoding: chunked, identity", &chunked)),
        ("a coding twice", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", &chunked)),
        ("a blank before the colon", post("Transfer-Encoding : chunked", &chunked)),
        ("a folded line", post("X: y\r\n Transfer-Encoding: chunked", &chunked)),
        ("a folded value", post("Transfer-Encoding:\r\n chunked", &chunked)),
        ("a lone carriage return", post("X: y\rTransfer-Encoding: chunked", &chunked)),
        ("a lone line feed", post("X: y\nTransfer-Encoding: chunked", &chunked)),
        ("a head of line feeds", format!("GET / HTTP/1.1\nHost: {READER}\n\n{HIDDEN}")),
        ("a NUL in a value", post("X: y\0", "")),
        ("a NUL in a name", post("X\0: y", "")),
        ("two hosts", post("Host: manage.localhost:8080", "")),
        ("no host", format!("GET / HTTP/1.1\r\nX: y\r\n\r\n{HIDDEN}")),
        (
            "another host in the target",
            format!("GET http://evil.example/ HTTP/1.1\r\nHost: {READER}\r\n\r\n"),
        ),
        ("chunks in HTTP/1.0", format!("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}")),
        ("two blanks in the first line", format!("GET  / HTTP/1.1\r\nHost: {READER}\r\n\r\n")),
        ("another version", format!("GET / HTTP/1.9\r\nHost: {READER}\r\n\r\n")),
    ]
}

/// Bodies of chunks that do not end where every reader would say.
pub(crate) const CHUNKS: [(&str, &str); 6] = [
    ("a size that is too large", "ffffffffffffffff1\r\n{}\r\n0\r\n\r\n"),
    ("an extension", "2;x=\"\r\n\"\r\n{}\r\n0\r\n\r\n"),
    ("a size with a prefix", "0x2\r\n{}\r\n0\r\n\r\n"),
    ("a size that ends with a line feed", "2\n{}\r\n0\r\n\r\n"),
    ("a chunk that is longer than it says", "2\r\n{}}\r\n0\r\n\r\n"),
    ("a trailer", "2\r\n{}\r\n0\r\nContent-Length: 5\r\n\r\n"),
];
