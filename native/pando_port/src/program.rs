//! The program: reads packets, has calls made, ends when the VM does.
//!
//! Invariants
//! 1. Calls of one process are begun in the order in which they came, but for those on workers, whose results it waits for.
//! 2. The thread that reads waits only for the VM to read results, and for workers when very many calls wait for them.

use std::any::Any;
use std::fmt;
use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use external_terms::{Encoder, Env, Heap, Term};

use crate::calling::{Calling, Outcome, Shared};
use crate::calls::atoms;
use crate::calls::erlang::BRIDGE;
use crate::dispatch::{self, Place};
use crate::frame::{FrameError, LogLevel, Request, Requests, VERSION, hello_frame, log_frame};
use crate::held;
use crate::objects::Objects;
use crate::output::Output;
use crate::packets::{PacketError, Packets};
use crate::parts::{Parts, TooMuch};

/// Threads for calls that may take long.
const WORKERS: usize = 4;
/// Calls that wait for one of them; the VM has its own limit, which is lower.
const WAITING_CALLS_MAX: usize = 64 * 1024;
/// How long stores may take to close when the VM has ended, in milliseconds.
const CLOSE_TIMEOUT_MS: u64 = 15_000;
/// How long a line of the log waits for a VM that does not read.
const LOG_WAIT_MAX_MS: u64 = 100;

/// Why the program ends before the VM has closed its input.
#[derive(Debug)]
pub enum ProgramError {
    /// What came in is no packet.
    Packet(PacketError),
    /// What came in is no frame.
    Frame(FrameError),
    /// The first frame is no hello.
    NoHello,
    /// The VM speaks another version of the protocol.
    UnknownVersion(u16),
    /// A hello came again.
    SecondHello,
    /// A call was too long.
    TooMuch(TooMuch),
    /// A thread could not be started.
    NoThread(std::io::Error),
}

impl fmt::Display for ProgramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProgramError::Packet(error) => write!(f, "{error}"),
            ProgramError::Frame(error) => write!(f, "{error}"),
            ProgramError::NoHello => f.write_str("the first frame is no hello"),
            ProgramError::UnknownVersion(version) => write!(
                f,
                "this program speaks version {VERSION} of the protocol, Pando's Erlang modules version {version}: \
                 they are of different releases; build Pando again"
            ),
            ProgramError::SecondHello => f.write_str("a second hello"),
            ProgramError::TooMuch(error) => write!(f, "{error}"),
            ProgramError::NoThread(error) => write!(f, "a thread could not be started: {error}"),
        }
    }
}

impl From<FrameError> for ProgramError {
    fn from(error: FrameError) -> ProgramError {
        ProgramError::Frame(error)
    }
}

impl From<TooMuch> for ProgramError {
    fn from(error: TooMuch) -> ProgramError {
        ProgramError::TooMuch(error)
    }
}

/// A call for a worker.
struct Job {
    calling: Arc<Calling>,
    body: Vec<u8>,
    is_quiet: bool,
}

/// Serves the VM until it closes `input`, then closes the stores.
pub fn run(input: impl Read, output: impl Write + Send + 'static) -> Result<(), ProgramError> {
    let output = Arc::new(Output::new(output));
    log_panics(&output);
    held::send(&output, std::iter::once(hello_frame(env!("CARGO_PKG_VERSION"))), None);
    let served = serve(input, &output);
    if let Err(error) = &served {
        log(&output, LogLevel::Error, &error.to_string());
    }
    if !BRIDGE.get().close_all(Duration::from_millis(CLOSE_TIMEOUT_MS)) {
        log(
            &output,
            LogLevel::Warning,
            "a store took too long to close; it recovers when it is opened again",
        );
    }
    served
}

fn serve(input: impl Read, output: &Arc<Output>) -> Result<(), ProgramError> {
    let shared = Shared {
        output: output.clone(),
        objects: Arc::new(Objects::default()),
        streams: Arc::new(AtomicU64::new(1)),
    };
    let (jobs, waiting) = bounded(WAITING_CALLS_MAX);
    for number in 0..WORKERS {
        let waiting = waiting.clone();
        let thread = std::thread::Builder::new().name(format!("pando-call-{number}"));
        thread.spawn(move || work(&waiting)).map_err(ProgramError::NoThread)?;
    }
    let mut reader = Reader { shared, jobs, parts: Parts::default(), is_greeted: false };
    let mut packets = Packets::new(input);
    while let Some(packet) = packets.next_packet().map_err(ProgramError::Packet)? {
        let mut taken = Ok(ControlFlow::Continue(()));
        held::batch(|| taken = reader.take(packet));
        if taken?.is_break() {
            break;
        }
    }
    Ok(())
}

fn work(jobs: &Receiver<Job>) {
    while let Ok(Job { calling, body, is_quiet }) = jobs.recv() {
        make(calling, &body, is_quiet);
    }
}

struct Reader {
    shared: Shared,
    jobs: Sender<Job>,
    parts: Parts,
    is_greeted: bool,
}

impl Reader {
    /// `Break`: the VM wants the program to end.
    fn take(&mut self, packet: &[u8]) -> Result<ControlFlow<()>, ProgramError> {
        for request in Requests::of_packet(packet) {
            match (request?, self.is_greeted) {
                (Request::Hello { version: VERSION }, false) => self.is_greeted = true,
                (Request::Hello { version }, false) => return Err(ProgramError::UnknownVersion(version)),
                (Request::Hello { .. }, true) => return Err(ProgramError::SecondHello),
                (_, false) => return Err(ProgramError::NoHello),
                (Request::Bye, true) => return Ok(ControlFlow::Break(())),
                (Request::Call { id, has_more: true, body, .. }, true) => self.parts.add(id, body)?,
                (Request::Call { id, has_more: false, is_quiet, body }, true) => {
                    match self.parts.finish(id, body)? {
                        Some(whole) => self.call(id, &whole, is_quiet),
                        None => self.call(id, body, is_quiet),
                    }
                }
                (Request::Release { id }, true) => {
                    self.parts.forget(id);
                    self.shared.objects.release(id);
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn call(&self, id: u64, body: &[u8], is_quiet: bool) {
        let calling = Calling::new(id, self.shared.clone());
        match function_of(body).map(dispatch::place) {
            Some(Place::Worker) => {
                // The workers are there as long as the program.
                let _ = self.jobs.send(Job { calling, body: body.to_vec(), is_quiet });
            }
            _ => make(calling, body, is_quiet),
        }
    }
}

/// The name in `{Function, Arguments}`, as the VM writes it.
pub(crate) fn function_of(body: &[u8]) -> Option<&str> {
    match body {
        [131, 104, 2, 119 | 115, length, rest @ ..] => {
            std::str::from_utf8(rest.get(..usize::from(*length))?).ok()
        }
        [131, 104, 2, 118 | 100, 0, length, rest @ ..] => {
            std::str::from_utf8(rest.get(..usize::from(*length))?).ok()
        }
        _ => None,
    }
}

fn make(calling: Arc<Calling>, body: &[u8], is_quiet: bool) {
    let made = catch_unwind(AssertUnwindSafe(|| {
        let heap = Heap::of_call(calling.clone());
        let outcome = outcome(&heap, body);
        drop(heap);
        outcome
    }));
    let outcome =
        made.unwrap_or_else(|panic| raised(|env| (atoms::panic(), text_of(panic.as_ref())).encode(env)));
    calling.end_call(&outcome, is_quiet);
}

pub(crate) fn outcome(heap: &Heap, body: &[u8]) -> Outcome {
    let decoded = heap.read(body).and_then(|term| term.decode::<(Term<'_>, Vec<Term<'_>>)>());
    let Ok((function, arguments)) = decoded else { return raised(|env| atoms::badarg().to_term(env)) };
    match dispatch::call(heap.env(), function.utf8_atom().unwrap_or_default(), &arguments) {
        Some(Ok(term)) => Outcome { term: term.to_binary(), is_raised: false },
        Some(Err(_)) => raised(|env| atoms::badarg().to_term(env)),
        None => raised(|env| atoms::undef().to_term(env)),
    }
}

fn raised(reason: impl for<'a> FnOnce(Env<'a>) -> Term<'a>) -> Outcome {
    let heap = Heap::default();
    Outcome { term: reason(heap.env()).to_binary(), is_raised: true }
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic without words")
}

/// A line in the VM's log; on standard error if the VM does not take it.
fn log(output: &Arc<Output>, level: LogLevel, text: &str) {
    let wait_max = Some(Duration::from_millis(LOG_WAIT_MAX_MS));
    if !held::send(output, std::iter::once(log_frame(level, text)), wait_max) {
        eprintln!("pando_port: {text}");
    }
    output.flush();
}

/// Panics are lines in the log, too.
fn log_panics(output: &Arc<Output>) {
    let output = output.clone();
    std::panic::set_hook(Box::new(move |panic| {
        let name = std::thread::current().name().unwrap_or("without a name").to_owned();
        log(&output, LogLevel::Error, &format!("a fault of Pando, thread {name}: {panic}"));
    }));
}
