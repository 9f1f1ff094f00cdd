//! A fuzzer of the C ABI. It turns bytes into a call (`draw`), says what is wrong with the call without asking the library
//! (`rules`), runs it from C (`caller`) in memory with guards (`call`), and checks what imle.h promises (`check`,
//! `definition`).
//!
//! `fuzz --help` lists the options. It runs the inputs of the corpus, then those of the command line, and then fresh
//! ones. Fresh inputs have numbers, and each is a function of its number, so two runs of as many executions are the
//! same. A failing input is printed as a line for the corpus.

mod call;
mod caller;
mod check;
mod definition;
mod draw;
mod mode;
mod rules;
mod simple;
mod table;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use arbitrary::Unstructured;
use clap::{Arg, Command, value_parser};
use table::{FUNCTIONS, SIMPLE};

/// A call may take as long as this.
const PATIENCE: Duration = Duration::from_secs(60);

thread_local! {
    /// The input that this thread runs. The report of a crash prints it.
    static INPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The input that each thread runs, and when it began.
static RUNNING: LazyLock<Mutex<Running>> = LazyLock::new(Mutex::default);
type Running = HashMap<ThreadId, (Instant, Vec<u8>)>;

/// How often a function gave a status; a function that cannot fail gives 0.
type Counts = BTreeMap<(&'static str, i32), u64>;

fn main() -> ExitCode {
    let options = Options::read();
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("FAIL: {panic}");
        std::process::abort();
    }));
    on_signals();
    std::thread::spawn(watch);
    let mut counts = Counts::new();
    for input in options.inputs.iter() {
        if !run(input, &mut counts) {
            return ExitCode::FAILURE;
        }
    }
    println!("fuzz: {} inputs of the corpus pass", options.inputs.len());
    if options.executions == 0 && options.seconds == 0 {
        return ExitCode::SUCCESS;
    }
    let start = Instant::now();
    let all = Mutex::new((counts, BTreeMap::new()));
    let (next, failed) = (AtomicU64::new(0), AtomicBool::new(false));
    let more = |number: u64| match options.executions {
        0 => start.elapsed() < Duration::from_secs(options.seconds),
        executions => number < executions,
    };
    let work = || {
        let mut counts = Counts::new();
        let mut first = BTreeMap::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if failed.load(Ordering::Relaxed) || !more(number) {
                break;
            }
            let input = fresh(number);
            let before = counts.len();
            if !run(&input, &mut counts) {
                failed.store(true, Ordering::Relaxed);
            }
            if counts.len() > before && options.write_corpus.is_some() {
                first.insert(number, shortened(&input));
            }
        }
        let mut all = all.lock().expect("no thread panics");
        counts.into_iter().for_each(|(outcome, count)| *all.0.entry(outcome).or_default() += count);
        all.1.extend(first);
    };
    std::thread::scope(|scope| (0..options.threads).for_each(|_| drop(scope.spawn(work))));
    let (counts, first) = all.into_inner().expect("no thread panics");
    if failed.into_inner() {
        println!("fuzz: failed within {} fresh inputs", next.into_inner());
        return ExitCode::FAILURE;
    }
    if let Some(path) = options.write_corpus {
        let lines: String = first.values().map(|input| hexadecimal(input) + "\n").collect();
        std::fs::write(path, lines).expect("the corpus can be written");
    }
    report(&counts, start.elapsed())
}

struct Options {
    executions: u64,
    seconds: u64,
    threads: u64,
    write_corpus: Option<String>,
    inputs: Vec<Vec<u8>>,
}

impl Options {
    fn read() -> Options {
        let number = |name: &'static str, default: &'static str, help: &'static str| {
            Arg::new(name).long(name).value_name("N").value_parser(value_parser!(u64)).default_value(default).help(help)
        };
        let file = |name: &'static str, help: &'static str| Arg::new(name).long(name).value_name("FILE").help(help);
        let found = Command::new("fuzz")
            .about("Draws calls of the C ABI from bytes and checks what imle.h promises.")
            .args([
                number("executions", "0", "Fresh inputs to run; they are the same in every run"),
                number("seconds", "0", "Seconds to run fresh inputs for, if --executions is 0"),
                number("threads", "2", "Threads that run fresh inputs").value_parser(value_parser!(u64).range(1..)),
                file("corpus", "Inputs to run first, one a line, in hexadecimal digits"),
                file("write-corpus", "Gets the fresh inputs that were the first of a function and status, shortened"),
                Arg::new("INPUT").num_args(0..).help("Inputs to run after the corpus, in hexadecimal digits"),
            ])
            .get_matches();
        let count = |name| *found.get_one::<u64>(name).expect("it has a default");
        let path = |name| found.get_one::<String>(name).cloned();
        let corpus = path("corpus").map(|path| std::fs::read_to_string(path).expect("the corpus can be read"));
        let lines = corpus.iter().flat_map(|corpus| corpus.lines());
        let saved = lines.filter(|line| !line.starts_with('#') && !line.is_empty());
        let named = found.get_many::<String>("INPUT").unwrap_or_default().map(String::as_str);
        Options {
            executions: count("executions"),
            seconds: count("seconds"),
            threads: count("threads"),
            write_corpus: path("write-corpus"),
            inputs: saved.chain(named).map(bytes).collect(),
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let byte = |i: usize| u8::from_str_radix(&hexadecimal[i..i + 2], 16).expect("hexadecimal digits");
    (0..hexadecimal.len() / 2).map(|i| byte(2 * i)).collect()
}

/// The fresh input of a number.
fn fresh(number: u64) -> Vec<u8> {
    let mut fill = draw::Fill::of(number);
    (0..24).flat_map(|_| fill.next().to_le_bytes()).collect()
}

/// The shortest front of an input that has the same function and status.
fn shortened(input: &[u8]) -> Vec<u8> {
    let outcome = |input: &[u8]| {
        let mut counts = Counts::new();
        check_input(input, &mut counts).ok().map(|()| counts)
    };
    let all = outcome(input);
    let fronts = (0..=input.len()).map(|len| &input[..len]);
    fronts.into_iter().find(|front| outcome(front) == all).unwrap_or(input).to_vec()
}

/// Runs one input; false, and a report, if a promise is broken.
fn run(input: &[u8], counts: &mut Counts) -> bool {
    INPUT.set(input.to_vec());
    let thread = std::thread::current().id();
    RUNNING.lock().expect("no thread panics").insert(thread, (Instant::now(), input.to_vec()));
    let result = check_input(input, counts);
    RUNNING.lock().expect("no thread panics").remove(&thread);
    match result {
        Ok(()) => true,
        Err(error) => {
            eprintln!("FAIL: {error}\n{}", hexadecimal(input));
            false
        }
    }
}

fn check_input(input: &[u8], counts: &mut Counts) -> Result<(), String> {
    const ENOUGH: &str = "bytes that have run out count as zeros";
    let mut u = Unstructured::new(input);
    let Some(function) = draw::function(&mut u).expect(ENOUGH) else {
        simple::check(&mut u).expect(ENOUGH)?;
        SIMPLE.iter().for_each(|name| *counts.entry((name, 0)).or_default() += 1);
        return Ok(());
    };
    let padding = [0, 1, 3, 17][u.int_in_range(0..=3).expect(ENOUGH)];
    let call = draw::call(&mut u, function).expect(ENOUGH);
    let status = check::check(&call, padding).map_err(|error| format!("{}: {error}\n{call}", function.name))?;
    *counts.entry((function.name, status)).or_default() += 1;
    Ok(())
}

/// Prints what was reached; a failure if a function was not, or never succeeded.
fn report(counts: &Counts, elapsed: Duration) -> ExitCode {
    let executions: u64 = FUNCTIONS.iter().map(|function| count(counts, function.name)).sum::<u64>();
    let executions = executions + count(counts, SIMPLE[0]);
    let names = || FUNCTIONS.iter().map(|function| function.name).chain(SIMPLE);
    for name in names() {
        let statuses = counts.range((name, i32::MIN)..=(name, 0)).rev();
        println!("{name:32} {}", statuses.map(|((_, status), count)| format!("{status}:{count} ")).collect::<String>());
    }
    let missing: Vec<_> = names().filter(|&name| !counts.contains_key(&(name, 0))).collect();
    let functions = names().count() - missing.len();
    println!("fuzz: {executions} executions, {functions} functions, {:.0} seconds", elapsed.as_secs_f64());
    if missing.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("FAIL: no call of {missing:?} succeeded");
    ExitCode::FAILURE
}

fn count(counts: &Counts, name: &'static str) -> u64 {
    counts.range((name, i32::MIN)..=(name, 0)).map(|(_, count)| count).sum()
}

/// Reports the input of a thread that gets a deadly signal, also after a panic or a report of AddressSanitizer.
fn on_signals() {
    for signal in [libc::SIGABRT, libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL] {
        let handler: extern "C" fn(libc::c_int) = report_signal;
        unsafe { libc::signal(signal, handler as libc::sighandler_t) };
    }
}

/// The process is lost, so it does not matter that printing is not made for signal handlers.
extern "C" fn report_signal(signal: libc::c_int) {
    INPUT.with_borrow(|input| eprintln!("FAIL: signal {signal}\n{}", hexadecimal(input)));
    unsafe { libc::_exit(1) };
}

/// Ends the process with a report if a call does not end.
fn watch() {
    loop {
        std::thread::sleep(Duration::from_secs(1));
        let running = RUNNING.lock().expect("no thread panics");
        if let Some((_, input)) = running.values().find(|(since, _)| since.elapsed() > PATIENCE) {
            eprintln!("FAIL: a call does not end\n{}", hexadecimal(input));
            std::process::exit(1);
        }
    }
}
