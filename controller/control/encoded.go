package control

import (
	"fmt"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	protocodec "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
)

// encoded is a message that was encoded before, for all streams that it goes to.
type encoded []byte

// codec is gRPC's own, and takes what is encoded as it is.
type codec struct{ encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2(protocodec.Name)} }

// Marshal implements encoding.CodecV2. The bytes are shared and not given back to any
// pool.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if raw, ok := v.(encoded); ok {
		return mem.BufferSlice{mem.SliceBuffer(raw)}, nil
	}
	return c.CodecV2.Marshal(v)
}

// encode refuses what is over the cap of a message, which no receiver would take.
func encode(messages []proto.Message) ([]encoded, error) {
	out := make([]encoded, 0, len(messages))
	for _, m := range messages {
		raw, err := proto.Marshal(m)
		if err != nil {
			return nil, err
		}
		if len(raw) > wire.MaxUpdate {
			return nil, fmt.Errorf("a message of %d bytes, at most %d were expected", len(raw), wire.MaxUpdate)
		}
		out = append(out, raw)
	}
	return out, nil
}

func sendAll(stream grpc.ServerStream, messages []encoded) error {
	for _, m := range messages {
		if err := stream.SendMsg(m); err != nil {
			return err
		}
	}
	return nil
}

// maxKept bounds what one generation keeps: streams that fell behind at different
// positions. Beyond it each is encoded for itself.
const maxKept = 64

// once makes each sequence of messages once, for as long as the policy is the same.
// Its zero value is ready.
type once[K comparable] struct {
	mu   sync.Mutex
	of   *policy.Snapshot
	made map[K]func() ([]encoded, error)
}

// get returns what build makes for this key. Those who come meanwhile wait for it.
func (o *once[K]) get(of *policy.Snapshot, key K, build func() ([]proto.Message, error)) ([]encoded, error) {
	o.mu.Lock()
	if o.of == nil || of.Newer(o.of) {
		o.of, o.made = of, map[K]func() ([]encoded, error){}
	}
	made, ok := o.made[key]
	if !ok || o.of != of {
		made = sync.OnceValues(func() ([]encoded, error) {
			messages, err := build()
			if err != nil {
				return nil, err
			}
			return encode(messages)
		})
		if o.of == of && len(o.made) < maxKept {
			o.made[key] = made
		}
	}
	o.mu.Unlock()
	return made()
}
