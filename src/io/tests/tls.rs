//! TLS: what goes through it, who is not let in, and who hurts nobody.

use std::iter;

use futures_util::FutureExt;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::engine::Transport;
use crate::io::net::tls::rustls::{ClientConfig, ServerConfig};
use crate::io::net::tls::{TlsConnector, TlsError, TlsListener, client_config_trusting, server_config};
use crate::socket::DisconnectReason;

use super::super::net::Listener;
use super::*;

/// An authority, in PEM, and a certificate that it signed for these names, in PEM with its key.
struct Signed {
    authority: String,
    certificate: String,
    key: String,
}

impl Signed {
    fn for_names(names: &[&str]) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, format!("who knows {names:?}"));
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
        Self { authority: authority.pem(), certificate: certificate.pem(), key: key.serialize_pem() }
    }

    fn server(&self) -> ServerConfig {
        server_config(self.certificate.as_bytes(), self.key.as_bytes()).unwrap()
    }

    fn client(&self) -> ClientConfig {
        client_config_trusting(self.authority.as_bytes()).unwrap()
    }
}

/// A server behind TLS.
struct Secure {
    env: Env,
    net: TestNet,
    server: Server,
    signed: Signed,
}

impl Secure {
    fn serve() -> Self {
        Self::as_one_of(&["server"])
    }

    fn as_one_of(names: &[&str]) -> Self {
        let (env, net, signed) = (Env::tokio(), TestNet::default(), Signed::for_names(names));
        let server = Server::new(&env, ServerOptions::default());
        let (serving, listener) = (server.clone(), TlsListener::new(&env, net.listen(), signed.server()));
        env.spawn(async move { serving.serve(listener).await.unwrap() });
        Self { env, net, server, signed }
    }

    fn client_at(
        &self,
        url: &str,
        config: ClientConfig,
        transports: &[Transport],
    ) -> (Client, mpsc::UnboundedReceiver<Event>) {
        let connector = TlsConnector::new(self.net.clone(), config);
        let options = ClientOptions { transports: transports.to_vec(), ..ClientOptions::default() };
        let (client, events) = Client::new(&self.env, connector, url.parse().unwrap(), options).unwrap();
        client.connect();
        (client, events)
    }

    fn client(&self) -> (Client, mpsc::UnboundedReceiver<Event>) {
        self.client_at("https://server:3000", self.signed.client(), &[Transport::WebSocket])
    }
}

/// Why the first attempt fails.
async fn failure(events: &mut mpsc::UnboundedReceiver<Event>) -> String {
    match events.recv().await {
        Some(Event::ConnectFailed(reason)) => reason.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn clients_come_over_tls_by_every_transport() {
    use Transport::{Polling, WebSocket};
    let secure = Secure::serve();
    secure.server.on_connect(|socket| async move {
        socket.on("echo", |socket, event| async move {
            assert!(socket.handshake().request.secure);
            event.ack.send(event.args);
        });
    });

    for transports in [vec![Polling], vec![WebSocket], vec![Polling, WebSocket]] {
        let (client, mut events) = secure.client_at("wss://server:3000", secure.signed.client(), &transports);
        until_connected(&mut events).await;
        for round in 0..3 {
            let large = vec![json!(round), json!("x".repeat(100_000))];
            let answer = client.emit_with_ack("echo", large, None).await.unwrap();
            assert_eq!(answer.get::<u64>(0).unwrap(), round);
            secure.env.sleep(30 * SECOND).await;
        }
        let heard: Vec<_> = iter::from_fn(|| events.try_recv().ok()).collect();
        assert!(heard.iter().all(|event| *event == Event::Ping), "it stays connected: {heard:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_may_be_known_by_its_address() {
    let secure = Secure::as_one_of(&["127.0.0.1"]);

    let (_client, mut events) =
        secure.client_at("https://127.0.0.1:3000", secure.signed.client(), &[Transport::Polling]);

    until_connected(&mut events).await;
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_proves_nothing_is_the_reason() {
    for transport in [Transport::Polling, Transport::WebSocket] {
        let secure = Secure::serve();
        let stranger = Signed::for_names(&["stranger"]).client();
        let (_client, mut events) = secure.client_at("https://server:3000", stranger, &[transport]);
        let reason = failure(&mut events).await;
        assert_eq!(reason, "failed to connect: invalid peer certificate: UnknownIssuer");

        let (_client, mut events) =
            secure.client_at("https://another:3000", secure.signed.client(), &[transport]);
        let reason = failure(&mut events).await;
        assert!(
            reason.starts_with(
                "failed to connect: invalid peer certificate: certificate not valid for name \"another\""
            ),
            "{reason}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_connector_without_tls_is_never_used_in_its_place() {
    let (env, net) = (Env::tokio(), TestNet::default());
    let mut listener = net.listen();

    let (client, mut events) =
        Client::new(&env, net, "https://server".parse().unwrap(), ClientOptions::default()).unwrap();
    client.connect();

    assert!(failure(&mut events).await.contains("of the feature `tls`"));
    env.sleep(60 * SECOND).await;
    assert!(listener.accept().now_or_never().is_none(), "nothing was dialled");
}

#[tokio::test(start_paused = true)]
async fn a_client_of_tls_dials_plainly_where_the_url_is_plain() {
    let world = world(ServerOptions::default());
    let config = Signed::for_names(&["server"]).client();
    let connector = TlsConnector::new(world.net.clone(), config);

    let (client, mut events) = Client::new(&world.env, connector, url(), ClientOptions::default()).unwrap();
    client.connect();

    until_connected(&mut events).await;
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_never_ends_holds_up_nobody_and_is_ended() {
    let secure = Secure::serve();
    let before = secure.env.clock.monotonic();
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(secure.net.connect("server", 3000).await.unwrap());
    }
    // The head of a record that never comes.
    silent[0].write_all(&[22, 3, 1, 2]).await.unwrap();

    let (_client, mut events) = secure.client();
    until_connected(&mut events).await;

    assert!(secure.env.clock.monotonic().since(before) < SECOND);
    for stream in &mut silent {
        assert_eq!(stream.read(&mut [0; 100]).await.unwrap(), 0);
        assert_eq!(secure.env.clock.monotonic().since(before).as_secs(), 10);
    }
    assert!(events.try_recv().is_err(), "the others stay connected");
}

#[tokio::test(start_paused = true)]
async fn who_speaks_no_tls_hurts_only_himself() {
    let secure = Secure::serve();
    let mut stranger = secure.net.connect("server", 3000).await.unwrap();

    stranger.write_all(b"GET / HTTP/1.1\r\nHost: server\r\n\r\n").await.unwrap();

    let mut alert = Vec::new();
    stranger.read_to_end(&mut alert).await.unwrap();
    assert_eq!(alert.first(), Some(&21), "an alert (RFC 8446 §5.1), and the end");
    let (_client, mut events) = secure.client();
    until_connected(&mut events).await;
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_no_handshake_and_takes_its_leave_inside() {
    let secure = Secure::serve();
    let (_client, mut events) = secure.client();
    until_connected(&mut events).await;
    let mut silent = secure.net.connect("server", 3000).await.unwrap();
    secure.env.sleep(SECOND).await;
    let before = secure.env.clock.monotonic();

    secure.server.shutdown(5 * SECOND).await;

    assert_eq!(silent.read(&mut [0; 100]).await.unwrap(), 0);
    assert!(secure.env.clock.monotonic().since(before) < SECOND);
    assert_eq!(until_disconnected(&mut events).await, DisconnectReason::TransportClose);
}

#[tokio::test(start_paused = true)]
async fn a_stream_cut_without_notice_is_a_transport_close_as_it_is_without_tls() {
    let (env, net, signed) = (Env::tokio(), TestNet::default(), Signed::for_names(&["server"]));
    let mut listener = TlsListener::new(&env, net.listen(), signed.server());
    env.spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        let open = r#"0{"sid":"s","upgrades":[],"pingInterval":300,"pingTimeout":200,"maxPayload":1000000}"#;
        for text in [open, r#"40{"sid":"s"}"#] {
            socket.send(Message::text(text)).await.unwrap();
        }
        // Dropped, the stream says nothing of its end: no close frame, no close_notify.
    });
    let connector = TlsConnector::new(net, signed.client());
    let options = ClientOptions { transports: vec![Transport::WebSocket], ..ClientOptions::default() };
    let (client, mut events) =
        Client::new(&env, connector, "https://server".parse().unwrap(), options).unwrap();

    client.connect();

    assert_eq!(until_disconnected(&mut events).await, DisconnectReason::TransportClose);
}

#[test]
fn what_cannot_prove_a_server_says_why() {
    let (one, other) = (Signed::for_names(&["server"]), Signed::for_names(&["server"]));
    let error = |certificate: &str, key: &str| {
        server_config(certificate.as_bytes(), key.as_bytes()).expect_err("it is unusable")
    };

    assert!(matches!(error("", &one.key), TlsError::NoCertificate));
    assert!(matches!(error(&one.key, &one.key), TlsError::NoCertificate));
    assert!(matches!(error("-----BEGIN CERTIFICATE-----\n", &one.key), TlsError::Certificates(_)));
    assert!(matches!(error(&one.certificate, &one.certificate), TlsError::Key(_)));
    assert!(matches!(error(&one.certificate, &other.key), TlsError::Unusable(_)));
    assert!(matches!(client_config_trusting(b"nothing"), Err(TlsError::NoCertificate)));
}
