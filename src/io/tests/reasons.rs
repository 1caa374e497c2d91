//! Why a socket is disconnected: for each cause, the words of the reference implementation on either side.

use crate::engine::Transport;
use crate::socket::args;

use super::polling::RawHttp;
use super::*;

/// What ends a connection whose client the test plays.
#[derive(Debug, Clone, Copy)]
enum Cause {
    /// The client sends this.
    Says(&'static str),
    SaysBytes,
    SaysTooMuch,
    /// The client ends the WebSocket as it should.
    Closes,
    /// The client's end of the stream is gone.
    Drops,
    IsSilent,
    ServerDisconnects {
        close: bool,
    },
    ServerCloses,
    ServerShutsDown,
}

use Cause::*;

const ELEVEN_ATTACHMENTS: &str = r#"4511-["a",{"_placeholder":true,"num":0}]"#;

async fn server_does(server: &Server, cause: Cause) {
    match cause {
        ServerDisconnects { close } => server.disconnect_sockets(close),
        ServerCloses => server.fetch_sockets().await.iter().for_each(|socket| socket.close_connection()),
        ServerShutsDown => server.shutdown(SECOND).await,
        Says(_) | SaysBytes | SaysTooMuch | Closes | Drops | IsSilent => {}
    }
}

fn small() -> ServerOptions {
    ServerOptions { max_http_buffer_size: 1000, ..ServerOptions::default() }
}

#[tokio::test(start_paused = true)]
async fn each_end_of_a_websocket_has_its_reason() {
    for (cause, reason) in [
        (Says("41"), DisconnectReason::ClientNamespaceDisconnect),
        (ServerDisconnects { close: false }, DisconnectReason::ServerNamespaceDisconnect),
        (ServerDisconnects { close: true }, DisconnectReason::ServerNamespaceDisconnect),
        (Closes, DisconnectReason::TransportClose),
        (Drops, DisconnectReason::TransportClose),
        (IsSilent, DisconnectReason::PingTimeout),
        (SaysTooMuch, DisconnectReason::TransportError),
        (Says("4nonsense"), DisconnectReason::ForcedClose),
        (Says(r#"42/other,["a"]"#), DisconnectReason::ForcedClose),
        (Says("40"), DisconnectReason::ForcedClose),
        (SaysBytes, DisconnectReason::ForcedClose),
        (Says(ELEVEN_ATTACHMENTS), DisconnectReason::ForcedClose),
        (Says("nonsense"), DisconnectReason::ParseError),
        (Says("2"), DisconnectReason::TransportError),
        (ServerCloses, DisconnectReason::ForcedClose),
        (ServerShutsDown, DisconnectReason::ServerShuttingDown),
    ] {
        let world = world(small());
        let mut reasons = report_disconnects(&world.server);
        let mut raw = Some(world.raw().await);
        let peer = raw.as_mut().expect("it has just connected");

        match cause {
            Says(text) => peer.send(text).await,
            SaysBytes => peer.send_binary(b"stray").await,
            SaysTooMuch => peer.send(&format!(r#"42["a","{}"]"#, "x".repeat(1000))).await,
            Closes => peer.0.close(None).await.unwrap(),
            Drops => raw = None,
            IsSilent | ServerDisconnects { .. } | ServerCloses | ServerShutsDown => {}
        }
        server_does(&world.server, cause).await;

        assert_eq!(reasons.recv().await, Some(reason), "{cause:?}");
        drop(raw);
    }
}

#[tokio::test(start_paused = true)]
async fn each_end_of_polling_has_its_reason() {
    for (cause, reason) in [
        (Says("41"), DisconnectReason::ClientNamespaceDisconnect),
        (ServerDisconnects { close: false }, DisconnectReason::ServerNamespaceDisconnect),
        (ServerDisconnects { close: true }, DisconnectReason::ServerNamespaceDisconnect),
        (Says("1"), DisconnectReason::TransportClose),
        (Drops, DisconnectReason::TransportError),
        (IsSilent, DisconnectReason::PingTimeout),
        (Says("4nonsense"), DisconnectReason::ForcedClose),
        (Says(r#"42/other,["a"]"#), DisconnectReason::ForcedClose),
        (Says("40"), DisconnectReason::ForcedClose),
        (Says("bAAAA"), DisconnectReason::ForcedClose),
        (Says(ELEVEN_ATTACHMENTS), DisconnectReason::ForcedClose),
        (Says("nonsense"), DisconnectReason::ParseError),
        (Says("2"), DisconnectReason::TransportError),
        (ServerCloses, DisconnectReason::ForcedClose),
        (ServerShutsDown, DisconnectReason::ServerShuttingDown),
    ] {
        let world = world(small());
        let mut reasons = report_disconnects(&world.server);
        let mut http = RawHttp::open(&world).await;
        let sid = http.join().await;

        match cause {
            Says(text) => http.start("POST", &sid, text).await,
            Drops => {
                http.start("GET", &sid, "").await;
                world.env.sleep(SECOND).await;
                drop(http);
            }
            SaysBytes | SaysTooMuch | Closes => unreachable!("not by polling"),
            IsSilent | ServerDisconnects { .. } | ServerCloses | ServerShutsDown => {}
        }
        server_does(&world.server, cause).await;

        assert_eq!(reasons.recv().await, Some(reason), "{cause:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_hears_its_own_reason_and_comes_back_where_it_may() {
    let large = || args!["x".repeat(1000)];
    use DisconnectReason::{IoServerDisconnect, TransportClose, TransportError};
    for (cause, by_polling, by_websocket, comes_back) in [
        (ServerDisconnects { close: false }, IoServerDisconnect, IoServerDisconnect, false),
        (ServerDisconnects { close: true }, IoServerDisconnect, IoServerDisconnect, false),
        (SaysTooMuch, TransportError, TransportClose, true),
        (ServerCloses, TransportClose, TransportClose, true),
        (ServerShutsDown, TransportClose, TransportClose, true),
    ] {
        for (transport, reason) in [(Transport::Polling, by_polling), (Transport::WebSocket, by_websocket)] {
            let world = world(small());
            let options = ClientOptions { transports: vec![transport], ..ClientOptions::default() };
            let (client, mut events) = world.client_with(options);
            client.connect();
            until_connected(&mut events).await;

            if let SaysTooMuch = cause {
                client.emit("a", large());
            }
            server_does(&world.server, cause).await;

            assert_eq!(until_disconnected(&mut events).await, reason, "{cause:?}, {transport:?}");
            world.env.sleep(60 * SECOND).await;
            let tries = matches!(events.try_recv(), Ok(Event::Reconnecting { .. }));
            assert_eq!(tries, comes_back, "{cause:?}, {transport:?}");
        }
    }
}
