//! A client's socket, with eyes on it: what is no sound request does not get through, and nobody may take for ever.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::Limits;
use super::activity::Activity;
use super::head::Fault;
use super::refusal;
use super::stream::{Stream, Verdict};

/// How much is read of what a client still sends after our last word, and for how long. Without that, the system would
/// reset the connection, and the client might never see the answer (RFC 9112 §9.6).
const LAST_WORDS: (usize, Duration) = (256 * 1024, Duration::from_secs(1));

/// See the module.
pub(super) struct Watched {
    socket: TcpStream,
    activity: Arc<Activity>,
    limits: Arc<Limits>,
    stream: Stream,
    /// The beginning of a head.
    held: Vec<u8>,
    /// When it began.
    held_since: Instant,
    /// What may go on and has not: the rest of a read that was larger than what was asked for.
    approved: Vec<u8>,
    /// Set where a body was found not to end where it says.
    is_broken: bool,
    /// What is left to write of a refusal, which ends the connection.
    refusal: Option<Vec<u8>>,
    /// Wakes the reading side; at a time that is not later than the one that counts.
    read_alarm: Pin<Box<Sleep>>,
    /// Set while the client does not take what we write.
    write_alarm: Option<Pin<Box<Sleep>>>,
    /// How much more is read after the last word, and until when.
    last_words: Option<(usize, Pin<Box<Sleep>>)>,
}

impl Watched {
    pub(super) fn new(socket: TcpStream, activity: Arc<Activity>, limits: Arc<Limits>) -> Self {
        Self {
            socket,
            stream: Stream::new(limits.header_block, limits.headers),
            held: Vec::new(),
            held_since: activity.opened_at(),
            approved: Vec::new(),
            is_broken: false,
            refusal: None,
            read_alarm: Box::pin(tokio::time::sleep_until(activity.opened_at() + limits.header_read)),
            write_alarm: None,
            last_words: None,
            activity,
            limits,
        }
    }

    /// Until when the client has to send something.
    fn read_deadline(&self) -> Instant {
        if !self.held.is_empty() {
            self.held_since + self.limits.header_read
        } else if self.stream.is_fresh() {
            self.activity.opened_at() + self.limits.header_read
        } else if self.activity.is_busy() {
            // It waits for us. hyper does not read again by itself after an answer, so this looks again soon.
            Instant::now() + self.limits.idle.min(self.limits.header_read)
        } else {
            self.activity.last_at() + self.limits.idle
        }
    }

    /// What to do when nothing has come: wait, or no longer.
    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let deadline = self.read_deadline();
            if self.read_alarm.deadline() > deadline {
                self.read_alarm.as_mut().reset(deadline);
            }
            ready!(self.read_alarm.as_mut().poll(context));
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            self.read_alarm.as_mut().reset(deadline);
        }
    }

    /// Judges what was held and what has just come after it; the sound part of it becomes `approved`.
    fn judge(&mut self, came: &[u8]) {
        self.held.extend_from_slice(came);
        let verdict = self.stream.look(&self.held);
        let count = self.sound(verdict);
        let rest = self.held.split_off(count);
        self.approved = std::mem::replace(&mut self.held, rest);
        if count > 0 {
            self.held_since = Instant::now();
        }
    }

    /// How much of what was looked at may go on.
    fn sound(&mut self, verdict: Verdict) -> usize {
        match verdict {
            Verdict::Pass(count) => count,
            Verdict::Refuse(count, fault) => {
                self.refuse(fault);
                count
            }
            Verdict::Break(count) => {
                self.is_broken = true;
                count
            }
        }
    }

    fn refuse(&mut self, fault: Fault) {
        if self.refusal.is_none() {
            self.refusal = Some(refusal::to_fault(fault, &self.limits));
        }
    }

    fn hand_over(&mut self, buffer: &mut ReadBuf<'_>) {
        let count = self.approved.len().min(buffer.remaining());
        buffer.put_slice(&self.approved[..count]);
        self.approved.drain(..count);
    }

    /// Ends a write that the client does not take.
    fn poll_stall(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let patience = self.limits.write_stall;
        let alarm = self.write_alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(alarm.as_mut().poll(context));
        Poll::Ready(io::ErrorKind::TimedOut.into())
    }

    fn wrote(
        &mut self,
        outcome: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match outcome {
            Poll::Ready(written) => {
                self.write_alarm = None;
                // Over HTTP/2 anything that a client sends has us write: there only requests count.
                if !self.stream.is_opaque() {
                    self.activity.touch();
                }
                Poll::Ready(written)
            }
            Poll::Pending => self.poll_stall(context).map(Err),
        }
    }

    /// Reads what nobody will look at, so that the last answer arrives.
    fn poll_last_words(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let (most, longest) = LAST_WORDS;
        let (left, alarm) =
            self.last_words.get_or_insert_with(|| (most, Box::pin(tokio::time::sleep(longest))));
        loop {
            let mut scratch = [0; 4096];
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.socket).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    *left = left.saturating_sub(buffer.filled().len());
                    if *left == 0 {
                        return Poll::Ready(());
                    }
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return alarm.as_mut().poll(context),
            }
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if !this.approved.is_empty() {
                this.hand_over(buffer);
                return Poll::Ready(Ok(()));
            }
            if this.refusal.is_some() {
                // For hyper this is the end, and it would drop what it is answering: first things first.
                this.activity.wake_when_done(context);
                return if this.activity.is_busy() { Poll::Pending } else { Poll::Ready(Ok(())) };
            }
            if this.is_broken {
                // The handler that reads this body is told, and answers.
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
            let before = buffer.filled().len();
            match Pin::new(&mut this.socket).poll_read(context, buffer) {
                Poll::Ready(outcome) => outcome?,
                Poll::Pending => {
                    ready!(this.poll_silence(context));
                    if this.held.is_empty() {
                        // Nothing was begun: no answer is owed.
                        this.activity.closing.cancel();
                        return Poll::Pending;
                    }
                    this.refuse(Fault::TooSlow);
                    continue;
                }
            }
            if buffer.filled().len() == before {
                return Poll::Ready(Ok(()));
            }
            if this.held.is_empty() {
                // The usual case: whole requests, which stay where they are.
                let came = &buffer.filled()[before..];
                let verdict = this.stream.look(came);
                let count = this.sound(verdict);
                if count < came.len() {
                    this.held.extend_from_slice(&came[count..]);
                    this.held_since = Instant::now();
                    buffer.set_filled(before + count);
                }
            } else {
                let came = buffer.filled()[before..].to_vec();
                buffer.set_filled(before);
                this.judge(&came);
            }
            if buffer.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.socket).poll_write(context, bytes);
        this.wrote(outcome, context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.socket).poll_write_vectored(context, slices);
        this.wrote(outcome, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while let Some(refusal) = this.refusal.take_if(|refusal| !refusal.is_empty()) {
            let outcome = Pin::new(&mut this.socket).poll_write(context, &refusal);
            let outcome = this.wrote(outcome, context);
            let written = if let Poll::Ready(Ok(written)) = outcome { written } else { 0 };
            this.refusal = Some(refusal[written..].to_vec());
            if ready!(outcome)? == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
        }
        if this.last_words.is_none() {
            ready!(Pin::new(&mut this.socket).poll_shutdown(context))?;
        }
        this.poll_last_words(context).map(Ok)
    }
}
