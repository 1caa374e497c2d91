//! `squall serve` and `squall chat`: flags, logs, signals and exit codes. What they do is in the library.

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use squall::chat::page;
use squall::chat::terminal::{self, Streams, TerminalOptions};
use squall::chat::{self, ChatConfig};
use squall::engine::Heartbeat;
use squall::io::env::BoxFuture;
#[cfg(feature = "tls")]
use squall::io::net::tls::{self, TlsConnector, TlsListener};
use squall::io::net::{Connector, TcpNet};
use squall::io::{ConnectUrl, ServerOptions, UrlError};
use squall::store::{Log, SqliteLog, StoreError};
use squall::{Env, Server};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tracing_subscriber::EnvFilter;

/// How long the server waits for its connections to close when it is asked to stop.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

/// How long the program waits for its tasks to be dropped when all is done.
const CLOSING_GRACE: Duration = Duration::from_millis(100);

/// What a shell reports for a program that ended on SIGINT.
const INTERRUPTED: u8 = 130;

const EXAMPLES: &str = "\
Examples:
  squall serve                                serve on http://127.0.0.1:3000, messages in squall.db
  squall serve --host 0.0.0.0 --db chat.db    serve everyone, messages in chat.db
  squall chat http://localhost:3000 --name ada
  echo 'the build is green' | squall chat http://localhost:3000 --name ci";

/// A Socket.IO chat, server and client, that does not lose messages.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Cli {
    /// What to log, to stderr: a level, or a filter such as squall=debug [default: info for serve, warn for chat]
    #[arg(long, global = true, env = "RUST_LOG", value_name = "FILTER", value_parser = parse_filter)]
    log: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the chat.
    Serve(ServeArgs),
    /// Chat: what you type is kept until the server has it, even while you are offline; /help lists the commands.
    Chat(ChatArgs),
}

#[derive(Args)]
struct ServeArgs {
    /// The address to listen on.
    #[arg(long, env = "SQUALL_HOST", default_value = "127.0.0.1")]
    host: String,
    /// The port to listen on; 0 takes a free one.
    #[arg(long, env = "SQUALL_PORT", default_value_t = 3000)]
    port: u16,
    /// The file that keeps the messages; created where it is missing.
    #[arg(long, env = "SQUALL_DB", value_name = "FILE", default_value = "squall.db")]
    db: PathBuf,
    /// The folder `dist` of the npm package socket.io-client, for the chat page and other pages; `npm ci --prefix web`
    /// fills the default.
    #[arg(long, env = "SQUALL_CLIENT_DIST", value_name = "DIR", default_value = page::CLIENT_DIST)]
    client_dist: PathBuf,
    /// How often clients are asked whether they are still there.
    #[arg(long, env = "SQUALL_PING_INTERVAL", value_name = "TIME", default_value = "25s", value_parser = parse_duration)]
    ping_interval: Duration,
    /// How long a client may take to answer before it is taken for gone.
    #[arg(long, env = "SQUALL_PING_TIMEOUT", value_name = "TIME", default_value = "20s", value_parser = parse_duration)]
    ping_timeout: Duration,
    #[cfg(feature = "tls")]
    #[command(flatten)]
    tls: TlsArgs,
}

#[cfg(feature = "tls")]
#[derive(Args)]
struct TlsArgs {
    /// Serve https and wss, and prove it by this certificate: a file in PEM, with the certificates of its authorities
    /// behind it.
    #[arg(long, env = "SQUALL_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key, in PEM.
    #[arg(long, env = "SQUALL_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

#[derive(Args)]
struct ChatArgs {
    /// The server, such as http://localhost:3000.
    #[arg(value_parser = parse_url)]
    url: ConnectUrl,
    /// Put before each message.
    #[arg(long)]
    name: Option<String>,
    /// The file that keeps what is not delivered yet [default: one for each server in the user's data directory]
    #[arg(long, value_name = "FILE")]
    outbox: Option<PathBuf>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let level = match cli.command {
        Command::Serve(_) => "info",
        Command::Chat(_) => "warn",
    };
    let filter = EnvFilter::new(cli.log.as_deref().unwrap_or(level));
    let is_terminal = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(is_terminal)
        .init();
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("failed to start: {error}")),
    };
    let result = match cli.command {
        Command::Serve(args) => runtime.block_on(serve(args)),
        Command::Chat(args) => runtime.block_on(chat(args)),
    };
    // Lets the databases close. Not just dropped: that would wait for the thread that reads from the terminal.
    runtime.shutdown_timeout(CLOSING_GRACE);
    result.map_or_else(|message| fail(&message), |()| ExitCode::SUCCESS)
}

fn fail(message: &str) -> ExitCode {
    eprintln!("squall: {message}");
    ExitCode::FAILURE
}

async fn serve(args: ServeArgs) -> Result<(), String> {
    let env = Env::tokio();
    // First: a port that is taken leaves no new file behind.
    let (listener, address) = listen(&args.host, args.port).await.map_err(|error| {
        format!(
            "failed to listen on {}:{}: {error}; --host and --port name another address",
            args.host, args.port
        )
    })?;
    let heartbeat = Heartbeat { ping_interval: args.ping_interval, ping_timeout: args.ping_timeout };
    let server = Server::new(&env, ServerOptions { heartbeat, ..ServerOptions::default() });
    let (scheme, mut serving) = start(&env, &server, listener, &args)?;
    let storage = SqliteLog::open(&args.db).map_err(|error| explain_database(&args.db, &error))?;
    let log = Log::open(&env, storage).await.map_err(|error| explain_database(&args.db, &error))?;
    chat::serve(&env, &server, &log, ChatConfig::default());
    page::serve(&server, &args.client_dist);
    announce(scheme, address);

    tokio::select! {
        biased;
        () = asked_to_stop() => {}
        ended = &mut serving => return ended.map_err(|error| format!("failed to accept connections: {error}")),
    }
    tracing::info!("shutting down; a second signal ends at once");
    tokio::select! {
        biased;
        () = asked_to_stop() => std::process::exit(INTERRUPTED.into()),
        ended = async { tokio::join!(serving, server.shutdown(SHUTDOWN_GRACE)).0 } => {
            ended.map_err(|error| format!("failed while shutting down: {error}"))
        }
    }
}

async fn listen(host: &str, port: u16) -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((host, port)).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// A server that will serve once it is polled, and the scheme of its URL.
type Serving = (&'static str, BoxFuture<std::io::Result<()>>);

#[cfg(not(feature = "tls"))]
fn start(_: &Env, server: &Server, listener: TcpListener, _: &ServeArgs) -> Result<Serving, String> {
    Ok(start_plainly(server, listener))
}

#[cfg(feature = "tls")]
fn start(env: &Env, server: &Server, listener: TcpListener, args: &ServeArgs) -> Result<Serving, String> {
    let TlsArgs { tls_cert: Some(certificate), tls_key: Some(key) } = &args.tls else {
        return Ok(start_plainly(server, listener));
    };
    let read = |path: &std::path::Path| {
        std::fs::read(path).map_err(|error| format!("failed to read {}: {error}", path.display()))
    };
    let config = tls::server_config(&read(certificate)?, &read(key)?)
        .map_err(|error| format!("{} and {}: {error}", certificate.display(), key.display()))?;
    let (server, listener) = (server.clone(), TlsListener::new(env, listener, config));
    Ok(("https", Box::pin(async move { server.serve(listener).await })))
}

fn start_plainly(server: &Server, listener: TcpListener) -> Serving {
    let server = server.clone();
    ("http", Box::pin(async move { server.serve(listener).await }))
}

/// On the standard output, for who started the server and waits for it. Nobody may be reading.
fn announce(scheme: &str, address: SocketAddr) {
    let mut output = std::io::stdout().lock();
    if let Err(error) = writeln!(output, "listening on {scheme}://{address}").and_then(|()| output.flush()) {
        tracing::warn!(%error, %address, "listening, but nobody hears it");
    }
}

fn explain_database(path: &std::path::Path, error: &StoreError) -> String {
    let path = path.display();
    match error {
        StoreError::Locked(_) => {
            format!("{path} is in use by another process: stop it, or give another file with --db")
        }
        StoreError::Database(_) | StoreError::TooNew { .. } | StoreError::Closed => {
            format!("failed to open {path}: {error}; --db names another file")
        }
    }
}

async fn chat(args: ChatArgs) -> Result<(), String> {
    #[cfg(feature = "tls")]
    if args.url.secure {
        let connector = TlsConnector::tcp().map_err(|error| error.to_string())?;
        return chat_through(connector, args).await;
    }
    chat_through(TcpNet, args).await
}

async fn chat_through(connector: impl Connector, args: ChatArgs) -> Result<(), String> {
    let ChatArgs { url, name, outbox } = args;
    let streams: Streams<_, Box<dyn Write>> = Streams {
        input: tokio::io::BufReader::new(tokio::io::stdin()),
        messages: Box::new(std::io::stdout()),
        remarks: Box::new(std::io::stderr()),
    };
    let options = TerminalOptions { url, name, outbox };
    terminal::run(&Env::tokio(), connector, options, streams, asked_to_stop())
        .await
        .map_err(|error| error.to_string())
}

/// Ends at SIGINT (Ctrl-C) or SIGTERM.
async fn asked_to_stop() {
    let interrupted = async {
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::warn!(%error, "cannot hear Ctrl-C");
            std::future::pending().await
        }
    };
    tokio::select! {
        biased;
        () = interrupted => {}
        () = terminated() => {}
    }
}

#[cfg(unix)]
async fn terminated() {
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(mut signal) => drop(signal.recv().await),
        Err(error) => {
            tracing::warn!(%error, "cannot hear SIGTERM");
            std::future::pending().await
        }
    }
}

#[cfg(not(unix))]
async fn terminated() {
    std::future::pending().await
}

fn parse_filter(filter: &str) -> Result<String, String> {
    EnvFilter::try_new(filter).map(|_| filter.to_owned()).map_err(|error| error.to_string())
}

fn parse_url(text: &str) -> Result<ConnectUrl, String> {
    let url: ConnectUrl = text.parse().map_err(|error: UrlError| error.to_string())?;
    if url.secure && cfg!(not(feature = "tls")) {
        return Err("this program was built without TLS: build it with `--features tls`".to_owned());
    }
    Ok(url)
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if duration.is_zero() { Err("it must be longer than nothing".to_owned()) } else { Ok(duration) }
}
