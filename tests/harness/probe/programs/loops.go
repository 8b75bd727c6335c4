// A program for Go's net/http: `loops NAME`. It prints what it did, as it knows it.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

var calls, attempts int64

func call(text string, drain bool) {
	atomic.AddInt64(&calls, 1)
	message := map[string]string{"role": "user", "content": text}
	body, _ := json.Marshal(map[string]any{"model": "gpt-4o-mini", "messages": []any{message}})
	for attempt := 0; attempt < 8; attempt++ {
		atomic.AddInt64(&attempts, 1)
		request, _ := http.NewRequest("POST", os.Getenv("OPENAI_BASE_URL")+"/chat/completions", bytes.NewReader(body))
		request.Header.Set("content-type", "application/json")
		request.Header.Set("authorization", "Bearer "+os.Getenv("OPENAI_API_KEY"))
		answer, err := http.DefaultClient.Do(request)
		if err == nil {
			if drain || answer.StatusCode < 400 {
				io.Copy(io.Discard, answer.Body)
			}
			answer.Body.Close()
			if answer.StatusCode < 400 {
				return
			}
		}
		time.Sleep(time.Duration(60*(attempt+1)) * time.Millisecond)
	}
}

func main() {
	var group sync.WaitGroup
	for i := 0; i < 40; i++ {
		switch os.Args[1] {
		case "drained":
			call(fmt.Sprintf("question %d", i), true)
		case "undrained":
			call(fmt.Sprintf("question %d", i), false)
		case "one_prompt":
			group.Add(1)
			go func() { defer group.Done(); call("the same", true) }()
		}
	}
	group.Wait()
	fmt.Printf("{\"calls\": %d, \"attempts\": %d}\n", calls, attempts)
}
