//! Stores that lie: lists without end or out of order, answers without end, ignored ranges. Each reader stops at its
//! limit and names it.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::harness::{Answer, Study, finish};

/// What is wrong with a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lie {
    /// Each page of a list has the same file.
    Repeats,
    /// Each page of a list has new files, and there is always one more.
    Goes,
    /// One page of a list never ends.
    EndlessPage,
    /// An error never ends.
    EndlessError,
    /// A file never ends; its claimed length is 1 TiB.
    EndlessFile,
    /// A file is sent from its beginning, whatever the requested range.
    NoRanges,
}

/// A server on loopback with as much of the protocol as a pull needs. It ends with the process.
struct Store {
    port: u16,
    requests: Arc<AtomicU64>,
}

/// Keys in a page: more than a store sends, and less than the limit.
const PAGE: u64 = 50_000;

fn page(first: u64, keys: u64) -> String {
    let mut xml =
        "<?xml version=\"1.0\"?><ListBucketResult><Name>b</Name><IsTruncated>true</IsTruncated>".to_owned();
    xml += &format!("<NextContinuationToken>{}</NextContinuationToken>", first + keys);
    for key in first..first + keys {
        xml += &format!("<Contents><Key>p/names/{key:08}</Key>");
        xml += "<LastModified>2026-01-01T00:00:00Z</LastModified><Size>10</Size></Contents>";
    }
    xml + "</ListBucketResult>"
}

/// Answers one request, whose path and query are `target`; false where nothing more can be sent.
fn answer(stream: &mut TcpStream, lie: Lie, target: &str) -> std::io::Result<bool> {
    let mut send = |status: &str, length: u64, body: &[u8]| {
        let head = "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\nETag: \"a\"\r\n";
        write!(stream, "HTTP/1.1 {status}\r\n{head}Content-Length: {length}\r\n\r\n")?;
        stream.write_all(body)
    };
    let whole = |body: &str| (body.len() as u64, body.as_bytes().to_vec());
    let (endless, (length, body)) = match lie {
        _ if target.contains("list-type=") => match lie {
            Lie::Repeats => (false, whole(&page(1, 1))),
            Lie::Goes => {
                let token = target.split_once("continuation-token=").map(|(_, rest)| rest);
                let token = token.map(|rest| rest.split('&').next().unwrap().parse().unwrap());
                (false, whole(&page(token.unwrap_or(1), PAGE)))
            }
            Lie::EndlessError => {
                send("403 Forbidden", 1 << 40, b"<Error><Code>")?;
                (true, (0, Vec::new()))
            }
            _ => {
                send("200 OK", 1 << 40, page(1, 1).trim_end_matches("</ListBucketResult>").as_bytes())?;
                (true, (0, Vec::new()))
            }
        },
        Lie::EndlessFile => {
            send(
                "206 Partial Content\r\nContent-Range: bytes 0-63/1099511627776",
                1 << 40,
                b"reg-remote 5\n",
            )?;
            (true, (0, Vec::new()))
        }
        _ if target.contains("/format") => (false, whole("reg-remote 5\n")),
        _ => {
            let missing = b"<Error><Code>NoSuchKey</Code></Error>";
            send("404 Not Found", missing.len() as u64, missing)?;
            return Ok(true);
        }
    };
    if endless {
        loop {
            stream.write_all(&[b'x'; 1 << 16])?;
        }
    }
    let status = match lie {
        Lie::NoRanges => "200 OK",
        _ if target.contains("list-type=") => "200 OK",
        _ => "206 Partial Content\r\nContent-Range: bytes 0-12/13",
    };
    send(status, length, &body)?;
    Ok(true)
}

impl Store {
    fn start(lie: Lie) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counted = Arc::clone(&counted);
                std::thread::spawn(move || {
                    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                    let mut stream = stream;
                    while let Some(Ok(first)) = lines.next() {
                        while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
                        counted.fetch_add(1, Ordering::Relaxed);
                        let target = first.split(' ').nth(1).unwrap_or_default();
                        // A client that has read enough closes the connection.
                        if !answer(&mut stream, lie, target).unwrap_or(false) {
                            break;
                        }
                    }
                });
            }
        });
        Store { port, requests }
    }

    fn pull(&self, study: &Study) -> Answer {
        let mut command = study.command("pull s3://b/p");
        command.env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.port));
        command.env("AWS_ALLOW_HTTP", "true").env("AWS_REGION", "eu-central-1");
        command.env("AWS_ACCESS_KEY_ID", "A").env("AWS_SECRET_ACCESS_KEY", "B");
        finish(command.output(), "pull")
    }
}

#[test]
fn each_reader_of_a_store_that_lies_stops_at_its_limit_and_says_which() {
    for (lie, words) in [
        (Lie::Repeats, &["s3://b/p/", "is damaged: the list of its files is not in order"][..]),
        (Lie::Goes, &["s3://b/p/", "it has more than 1,000,000 files"]),
        (Lie::EndlessPage, &["s3://b/p/", "the answer is longer than 16,777,216 bytes"]),
        (Lie::EndlessError, &["s3://b/p/"]),
        (Lie::EndlessFile, &["s3://b/p"]),
        (Lie::NoRanges, &["s3://b/p"]),
    ] {
        let (store, study) = (Store::start(lie), Study::bare());
        study.ok("init");
        let begun = Instant::now();
        let answer = store.pull(&study);
        println!(
            "{lie:?}: {} requests, {:.1} s: {}",
            store.requests.load(Ordering::Relaxed),
            begun.elapsed().as_secs_f64(),
            answer.stderr.lines().next().unwrap_or_default()
        );
        answer.says(1, words);
        assert!(begun.elapsed() < Duration::from_secs(100), "{lie:?}: {:?}", begun.elapsed());
        assert!(store.requests.load(Ordering::Relaxed) < 40, "{lie:?}: it is asked again and again");
        study.is_sound();
    }
}
